"""Every sentence in English and in Chinese: one catalogue, a file for each topic and language.

Reads the JSON files beside it. The page, the command, the worksheets and the checks take their sentences from here.
"""

import json
import locale
import os
from functools import cache
from importlib.resources import files
from typing import Any

LANGUAGES = ("en", "zh")


@cache
def catalogue(topic: str, lang: str) -> dict[str, Any]:
    """Read the sentences of a topic in one language; the result is shared and must not be changed.

    Raises ValueError for a language that is not spoken here.
    """
    if lang not in LANGUAGES:
        raise ValueError(f"lang: needs {' or '.join(map(repr, LANGUAGES))}, got {lang!r}")
    sentences: dict[str, Any] = json.loads(files(__package__).joinpath(f"{topic}.{lang}.json").read_text("utf-8"))
    return sentences


def say(topic: str, key: str, lang: str, **values: object) -> str:
    """Write one sentence of a topic, with values in the place of its `{names}`."""
    sentence: str = catalogue(topic, lang)[key]
    return sentence.format(**values)


def language_of_locale() -> str:
    """Tell which language the terminal asks for: "zh" where its locale is Chinese, else "en"."""
    chosen = next(filter(None, map(os.environ.get, ("LC_ALL", "LC_MESSAGES", "LANG"))), None)
    return "zh" if (chosen or locale.getlocale()[0] or "").lower().startswith(("zh", "chinese")) else "en"
