"""Worksheets for a whole class: a key that a later day can read, and every answer of a class marked from one CSV.

Reads the worksheets. What a row of the CSV holds is text from strangers: it is written out escaped, never run.
"""

from __future__ import annotations

import csv
import html
import io
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isclose
from pathlib import Path
from typing import Any, NamedTuple

from .. import nn
from ..engine import Value
from ..explain.typed import record_expression
from ..files import write_whole
from ..messages import say
from ..train.losses import half_squared_error
from .examples import EXAMPLES
from .marking import Marking
from .slips import told
from .worksheet_forms import KINDS
from .worksheets import Worksheet, faded, worksheet, worksheets

FORMATS = ("html", "md", "tex", "moodle")
_KEY = "scalargrad worksheets 1"
_LONGEST = 200  # characters of one answer
_DELIMITERS = ",;\t"
_LARGEST_NETWORK = 200  # parameters
_STYLE = """
body { font: 11pt/1.5 system-ui, "Noto Sans", "Noto Sans CJK SC", sans-serif; max-width: 180mm; margin: 8mm auto }
table { border-collapse: collapse; width: 100% } tr { break-inside: avoid }
th, td { padding: 0.25em 0.5em; border-bottom: 1px solid #ddd; text-align: left; vertical-align: top }
td:nth-child(2), td:nth-child(3) { white-space: nowrap }
td p { margin: 0.2em 0 } .lost { background: #fbe9e7 }
"""


class Refused(NamedTuple):
    """A row that could not be marked."""

    line: int
    reason: str
    row: str


class Student(NamedTuple):
    """The marks of one row."""

    line: int
    name: str
    variant: int
    sheet: Worksheet
    marking: Marking


@dataclass
class Class:
    """What is said of a whole class."""

    lang: str
    blanks: int
    students: list[Student] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)

    def write(self, folder: str | Path) -> list[Path]:
        """Write marks.csv, refused.csv, slips.csv and index.html, and a page for each student under feedback/.

        Raises OSError where the folder cannot be written.
        """
        pages = {f"feedback/{_file_name(student)}": _feedback(student, self.lang) for student in self.students}
        texts = {"marks.csv": self._marks(), "refused.csv": self._refusals(), "slips.csv": self._slips_as_csv()}
        Path(folder, "feedback").mkdir(parents=True, exist_ok=True)
        files = {**texts, "index.html": self._overview(), **pages}
        return [write_whole(Path(folder, name), text.encode(errors="replace")) for name, text in files.items()]

    def slips(self) -> list[tuple[str, int, int, list[int]]]:
        """Count each slip: its key, how often, by how many students, at which blanks; the most frequent first."""
        times: Counter[str] = Counter()
        students: dict[str, set[int]] = {}
        blanks: dict[str, set[int]] = {}
        for student in self.students:
            for mark in student.marking.marks:
                for key in mark.slips:
                    times[key] += 1
                    students.setdefault(key, set()).add(student.line)
                    blanks.setdefault(key, set()).add(mark.blank)
        return [(key, count, len(students[key]), sorted(blanks[key])) for key, count in times.most_common()]

    def _say(self, sentence: str, **values: object) -> str:
        return say("worksheets", sentence, self.lang, **values)

    def _marks(self) -> str:
        numbers = range(1, self.blanks + 1)
        header = [self._say("student"), self._say("variant column"), self._say("points"), self._say("of"), *numbers]
        rows = []
        for student in self.students:
            worth = {mark.blank: int(mark.worth) for mark in student.marking.marks}
            marks = [worth.get(number, "") for number in numbers]
            rows.append([student.name, student.variant, student.marking.points, len(worth), *marks])
        return _as_csv([header, *rows])

    def _refusals(self) -> str:
        header = [self._say("row"), self._say("reason"), self._say("row.text")]
        return _as_csv([header, *self.refused])

    def _slips_as_csv(self) -> str:
        header = [self._say(f"class.{column}") for column in ("slip", "times", "students", "blanks")]
        rows = [
            [told(key, self.lang)[0], times, students, " ".join(map(str, blanks))]
            for key, times, students, blanks in self.slips()
        ]
        return _as_csv([header, *rows])

    def _overview(self) -> str:
        count = len(self.students)
        points = sum(student.marking.points for student in self.students)
        blanks = max((len(student.sheet.blanks) for student in self.students), default=0)
        body = [f"<p>{self._say('class.count', students=count, refused=len(self.refused))}</p>"]
        if count:
            body.append(f"<p>{self._say('class.mean', points=f'{points / count:.1f}', count=blanks)}</p>")
        if found := self.slips():
            rows = []
            for key, times, students, places in found:
                name, why = map(html.escape, told(key, self.lang))
                where = " ".join(f"({place})" for place in places)
                rows.append(f"<td><p>{name}</p><p>{why}</p></td><td>{times}</td><td>{students}</td><td>{where}</td>")
            heads = "".join(
                f"<th>{self._say(f'class.{column}')}</th>" for column in ("slip", "times", "students", "blanks")
            )
            lines = "\n".join(f"<tr>{row}</tr>" for row in rows)
            body.append(f"<table>\n<tr>{heads}</tr>\n{lines}\n</table>\n<p>{self._say('class.several')}</p>")
        else:
            body.append(f"<p>{self._say('class.none')}</p>")
        listed = (self._say("mark.refused", line=line, reason=reason) for line, reason, _ in self.refused)
        body += [f"<p>{html.escape(sentence)}</p>" for sentence in listed]
        return _page(self._say("class"), self.lang, "\n".join(body))


def graph_named(text: str, numbers: Mapping[str, float]) -> Value:
    """Record the graph that a command names: "two-output", "shared-bias", "mlp:2-2-2", or formulas with numbers.

    A network of layers is sigmoid everywhere, with the documents' loss; its inputs are 0.5, 1, 0.5, ... and its targets
    1, 0, 1, ... Raises ValueError for what is none of these.

    >>> graph_named("mlp:2-2-2", {}).label
    'E_total'
    """
    if text in EXAMPLES or text.startswith("mlp:"):
        if numbers:
            raise ValueError(f"worksheet: {text} has its own numbers, leave out {', '.join(numbers)}")
        if text in EXAMPLES:
            return EXAMPLES[text]().root
        return _network(text)
    return record_expression(text, numbers).root


def _network(text: str) -> Value:
    sizes = text.removeprefix("mlp:").split("-")
    if len(sizes) < 2 or not all(re.fullmatch("[1-9][0-9]{0,2}", size) for size in sizes):
        raise ValueError(f"worksheet: needs the neurons of each layer, as in mlp:2-2-2, got {text!r}")
    inputs, *layers = map(int, sizes)
    count = sum((before + 1) * after for before, after in zip([inputs, *layers], layers))
    if count > _LARGEST_NETWORK:
        raise ValueError(f"worksheet: {count} parameters are too many for paper, at most {_LARGEST_NETWORK}")
    network = nn.MLP(inputs, layers, activation="sigmoid", output="sigmoid", seed=0)
    for number, parameter in enumerate(network.parameters()):
        parameter.data = round(parameter.data, 1) or 0.1 + number % 9 / 10
    found = network([0.5 if place % 2 == 0 else 1.0 for place in range(inputs)])
    outputs = found if isinstance(found, list) else [found]
    targets = [Value(float(place % 2 == 0), f"y{place + 1}") for place in range(len(outputs))]
    root = half_squared_error(outputs, targets)
    root.label = root.label or "E_total"
    return root


def make(text: str, numbers: Mapping[str, float], options: Mapping[str, Any]) -> list[Worksheet]:
    """Make the sheets of a graph that is named: `variants` of them, or with `fade` a faded set.

    Other options as for `worksheet`. Raises ValueError as that does.
    """
    given = dict(options)
    variants, fade = given.pop("variants", 1), given.pop("fade", 0)
    blanks, seed = given.pop("blanks", ("values", "gradients")), given.pop("seed", None)
    root = graph_named(text, numbers)
    if fade:
        if variants > 1:
            raise ValueError("worksheet: a faded set is one set; leave out either --fade or --variants")
        return faded(root, fade, blanks, seed=seed or 0, **given)
    if variants < 1:
        raise ValueError(f"worksheet: needs one variant or more, got {variants}")
    if variants == 1:
        return [worksheet(root, blanks, seed=seed, **given)]
    return worksheets(root, variants, blanks, seed=seed or 0, **given)


def kinds_of(text: str) -> list[str]:
    """Read kinds of blanks parted by commas, each by how it begins.

    >>> kinds_of("values,local,updated")
    ['values', 'local derivatives', 'updated parameters']
    """
    words = [word.strip() for word in text.split(",")]
    for word in words:
        if not word or not any(kind.startswith(word) for kind in KINDS):
            raise ValueError(f"worksheet: needs blanks among {', '.join(KINDS)}, got {word!r}")
    return [kind for kind in KINDS if any(kind.startswith(word) for word in words)]


def formats_of(text: str) -> list[str]:
    """Read formats parted by commas. Raises ValueError for one that is not known."""
    words = [word.strip() for word in text.split(",")]
    if strange := [word for word in words if word not in FORMATS]:
        raise ValueError(f"worksheet: needs formats among {', '.join(FORMATS)}, got {strange[0]!r}")
    return words


def key_text(text: str, numbers: Mapping[str, float], options: Mapping[str, Any], sheets: Sequence[Worksheet]) -> str:
    """Write the key of a set of sheets: how they were made, and the answers, to see that they are made alike again."""
    answers = [[line.answer for line in sheet.blanks] for sheet in sheets]
    key = {"format": _KEY, "graph": text, "numbers": dict(numbers), "options": dict(options), "answers": answers}
    return json.dumps(key, ensure_ascii=False, indent=1)


def read_key(path: str | Path) -> list[Worksheet]:
    """Make the sheets of a key again.

    Raises OSError where it cannot be read, and ValueError where it is no key or its answers come out otherwise now.
    """
    try:
        key = json.loads(Path(path).read_text("utf-8"))
        if key["format"] != _KEY:
            raise KeyError
        sheets = make(key["graph"], key["numbers"], key["options"])
        found, stored = ([line.answer for line in sheet.blanks] for sheet in sheets), key["answers"]
        same = [
            len(ours) == len(theirs) and all(map(_alike, ours, theirs))
            for ours, theirs in zip(found, stored, strict=True)
        ]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"mark: {path} is no key of `scalargrad worksheet`; its key.json is ({error})") from None
    if not all(same):
        raise ValueError(f"mark: the answers of {path} come out otherwise now; make the sheets again")
    return sheets


def answers_header(sheets: Sequence[Worksheet]) -> str:
    """Write the first row of the CSV that a class fills: student, variant, and the blanks of the longest sheet."""
    longest = max(sheets, key=lambda sheet: len(sheet.blanks))
    lang = longest.lang
    blanks = [f"({line.blank}) {line.name.written(lang)}".strip() for line in longest.blanks]
    return _as_csv([[say("worksheets", "student", lang), say("worksheets", "variant column", lang), *blanks]])


def mark_class(sheets: Sequence[Worksheet], content: bytes) -> Class:
    """Mark the answers of a class, the bytes of a CSV with a row for each student and a column for each blank.

    The first row is the header: the student, the variant, then the blanks, in order. A row that cannot be read is
    refused with its line, and the others are marked. Raises ValueError for a header that does not fit.
    """
    lines = re.split(r"\r\n|\r|\n", _decoded(content))
    count = max(len(sheet.blanks) for sheet in sheets)
    lang = sheets[0].lang
    found = Class(lang, count)
    delimiter = max(_DELIMITERS, key=lines[0].count)
    header = _cells(lines[0], delimiter)
    if not header or len(header) != count + 2:
        raise ValueError(
            f"mark: the first row needs {count + 2} columns: the student, the variant and {count} blanks; "
            f"it has {len(header or [])}"
        )
    seen: dict[str, int] = {}

    def refuse(place: int, row: str, reason: str, **values: object) -> None:
        found.refused.append(Refused(place, say("worksheets", f"row.{reason}", lang, **values), row))

    for line, row in enumerate(lines[1:], start=2):
        cells = _cells(row, delimiter)
        if cells is None:
            refuse(line, row, "quote")
            continue
        if not any(cells):
            continue
        name, *rest = cells
        if len(cells) != count + 2:
            refuse(line, row, "columns", count=len(cells), needs=count + 2)
        elif not name:
            refuse(line, row, "student")
        elif not (variant := _variant(rest[0], len(sheets))):
            refuse(line, row, "variant", variant=_shown(rest[0]), count=len(sheets))
        elif name in seen:
            refuse(line, row, "doubled", student=_shown(name), line=seen[name])
        elif any(len(cell) > _LONGEST for cell in rest):
            refuse(line, row, "long", count=_LONGEST)
        else:
            seen[name] = line
            sheet = sheets[variant - 1]
            marks = sheet.marker.mark(dict(enumerate(rest[1:], start=1)))
            found.students.append(Student(line, name, variant, sheet, Marking(tuple(marks), lang)))
    return found


def _alike(ours: float, theirs: float) -> bool:
    return isclose(ours, theirs, rel_tol=1e-9, abs_tol=1e-15)


def _decoded(content: bytes) -> str:
    """Read the bytes of a CSV: UTF-8, UTF-16 with its mark, or what Excel writes in China."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", "replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("gb18030", "replace")


def _cells(row: str, delimiter: str) -> list[str] | None:
    """Part one line into its cells; None where a quotation mark is not closed."""
    try:
        parsed = list(csv.reader([row], delimiter=delimiter, strict=True))
    except csv.Error:
        return None
    return [cell.strip() for cell in parsed[0]] if parsed else []


def _variant(text: str, count: int) -> int:
    """Read the number of a variant; 0 for what is none. Where there is one sheet it may be left out."""
    if not text and count == 1:
        return 1
    number = int(text) if re.fullmatch("[0-9]{1,4}", text) else 0
    return number if number <= count else 0


def _shown(text: str) -> str:
    short = text if len(text) <= 40 else f"{text[:37]}..."
    return "".join(sign if sign.isprintable() else "?" for sign in short)


def _as_csv(rows: Sequence[Sequence[object]]) -> str:
    """Write rows for a spreadsheet, which must not take a student's name for a formula."""
    written = io.StringIO()
    written.write("\ufeff")  # by which a spreadsheet knows UTF-8
    for row in rows:
        cells = (str(cell) for cell in row)
        csv.writer(written).writerow(f"'{cell}" if cell.startswith(tuple("=+-@\t\r")) else cell for cell in cells)
    return written.getvalue()


def _file_name(student: Student) -> str:
    """Name the page of a student by the line, and by what of the name any file system takes."""
    words = "-".join(re.findall(r"[^\W_]+", student.name))[:40]
    return f"{student.line:04}-{words}.html" if words else f"{student.line:04}.html"


def _feedback(student: Student, lang: str) -> str:
    lines = {line.blank: line for line in student.sheet.blanks}
    rows = []
    for mark in student.marking.marks:
        verdict, *slips = map(html.escape, mark.sentences(lang))
        if not mark.worth:
            answer = lines[mark.blank].written(student.sheet.decimals)
            slips.append(html.escape(say("worksheets", "feedback.right", lang, answer=answer)))
        said = "".join(f"<p>{sentence}</p>" for sentence in (verdict, *slips))
        lost = "" if mark.worth else " class=lost"
        cells = [f"({mark.blank})", html.escape(mark.name), html.escape(_shown(mark.given)), said]
        rows.append(f"<tr{lost}>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
    count = say("worksheets", "count", lang, points=student.marking.points, count=len(rows))
    variant = say("worksheets", "feedback.variant", lang, number=student.variant)
    body = "\n".join([f"<p>{variant}. {count}</p>" if lang == "en" else f"<p>{variant}，{count}</p>", "<table>", *rows])
    return _page(say("worksheets", "feedback", lang, student=_shown(student.name)), lang, f"{body}\n</table>")


def _page(title: str, lang: str, body: str) -> str:
    return f"""<!doctype html>
<html lang="{"zh-CN" if lang == "zh" else "en"}">
<head><meta charset="utf-8"><title>{html.escape(title)}</title><style>{_STYLE}</style></head>
<body>
<h1>{html.escape(title)}</h1>
{body}
</body>
</html>
"""
