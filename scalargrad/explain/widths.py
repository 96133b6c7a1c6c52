"""How wide a line of text is, in the widest font in which a picture may be shown.

Reads nothing. A picture names Arial; where that is missing the viewer takes another, and DejaVu Sans is the widest of
those that are usual: what has room for it has room for all.
"""

from unicodedata import category, east_asian_width

# The advance widths of DejaVu Sans for the characters from the space to the tilde, in thousandths of the font size.
_ADVANCES = (
    *(318, 401, 460, 838, 636, 950, 780, 275, 390, 390, 500, 838, 318, 361, 318, 337),
    *(636, 636, 636, 636, 636, 636, 636, 636, 636, 636, 337, 337, 838, 838, 838, 531),
    *(1000, 684, 686, 698, 770, 632, 575, 775, 752, 295, 295, 656, 557, 863, 748, 787),
    *(603, 787, 695, 635, 611, 732, 684, 989, 685, 611, 685, 390, 337, 390, 838, 500),
    *(500, 613, 635, 550, 635, 615, 352, 635, 634, 278, 278, 579, 278, 974, 634, 612),
    *(635, 635, 411, 521, 392, 634, 592, 818, 592, 592, 525, 636, 337, 636, 838),
)
_OTHER = 840  # a minus, a Greek capital
_WIDE = 1050  # a Chinese character


def inches(line: str, font_size: float) -> float:
    """Give the width of a line at a font size in points.

    >>> round(inches("value 0.85", 14), 3), round(inches("权重", 14), 3)
    (1.026, 0.408)
    """
    return sum(map(_advance, line)) / 1000 * font_size / 72


def _advance(sign: str) -> int:
    if " " <= sign <= "~":
        return _ADVANCES[ord(sign) - 32]
    if category(sign) in ("Mn", "Me", "Cf"):
        return 0
    return _WIDE if east_asian_width(sign) in "WF" else _OTHER
