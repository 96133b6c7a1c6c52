"""One catalogue: every topic says the same things in both languages, with the same names to fill in."""

import json
import re
from pathlib import Path

import pytest

from scalargrad import messages

FOLDER = Path(messages.__file__).parent
TOPICS = sorted({path.name.split(".")[0] for path in FOLDER.glob("*.json")})


def sentences(tree, path=()):
    """Walk a catalogue: every sentence with the keys that lead to it."""
    if isinstance(tree, str):
        yield path, tree
    else:
        for key, part in tree.items() if isinstance(tree, dict) else enumerate(tree):
            yield from sentences(part, (*path, key))


@pytest.mark.parametrize("topic", TOPICS)
def test_no_sentence_is_missing_in_a_language(topic):
    english, chinese = (dict(sentences(messages.catalogue(topic, lang))) for lang in messages.LANGUAGES)
    assert english.keys() == chinese.keys()
    for key, sentence in english.items():
        names = [sorted(set(re.findall(r"\{(\w+)\}", written))) for written in (sentence, chinese[key])]
        assert names[0] == names[1], key


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.json")), ids=lambda path: path.name)
def test_no_key_stands_twice(path):
    def unique(pairs):
        assert len(dict(pairs)) == len(pairs), [key for key, _ in pairs]
        return dict(pairs)

    json.loads(path.read_text("utf-8"), object_pairs_hook=unique)


def test_an_unknown_language_is_refused():
    with pytest.raises(ValueError, match="lang: needs 'en' or 'zh', got 'fr'"):
        messages.catalogue("page", "fr")


@pytest.mark.parametrize(
    ("environment", "lang"),
    [
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "en_US.UTF-8", "LC_MESSAGES": "zh_TW"}, "zh"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
    ],
)
def test_the_language_follows_the_locale(environment, lang, monkeypatch):
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert messages.language_of_locale() == lang
