"""What a check says: as text for a terminal, as JSON, and as the `results.json` of Gradescope.

Reads the findings; every sentence is in the messages, in both languages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ...explain.reporting import number_text
from ...formulas.terminal import paragraph, table
from ...messages import say
from .cases import Case, agree, right
from .findings import PARTS, Finding, Findings

POINTS = {
    part: 0.0 if part in ("depth", "network", "training") else 10.0 for part in PARTS
}  # what is not said otherwise


class Row(NamedTuple):
    """One number of the engine beside the right one."""

    name: str
    right: float
    yours: float


class Report:
    """The outcome of a check; shown in a notebook and printed, it is the text of it."""

    def __init__(
        self, name: str, findings: Findings, lang: str = "en", points: Mapping[str, float] | None = None
    ) -> None:
        """Keep the findings, and how many points each part is worth; raise ValueError for a part that there is not."""
        for part, worth in (points or {}).items():
            if part not in PARTS or worth < 0:
                raise ValueError(f"points: needs one of {', '.join(PARTS)} and 0 or more, got {part} = {worth}")
        self.name = name
        self.findings = findings
        self.lang = lang
        self.points = dict(points or {})

    @property
    def bugs(self) -> list[Finding]:
        """What is wrong."""
        return [finding for finding in self.findings.found if not finding.is_limit]

    @property
    def limits(self) -> list[Finding]:
        """What is true of the engine, but no bug."""
        return [finding for finding in self.findings.found if finding.is_limit]

    @property
    def missing(self) -> tuple[str, ...]:
        """What the engine lacks, which is not wrong."""
        return self.findings.missing

    def expect_right(self) -> None:
        """Raise AssertionError with the text of the report where there is a bug; one line makes a test."""
        if self.bugs:
            raise AssertionError(f"\n{self.text()}")

    def scores(self) -> dict[str, tuple[float, float]]:
        """Give the points of each part, and what it is worth: in proportion to what was tried and was right."""
        scores = {}
        for part in PARTS:
            tried, is_right = self.findings.tried.get(part, 0), self.findings.right.get(part, 0)
            worth = self.points.get(part, POINTS[part])
            if tried or worth:
                scores[part] = (round(worth * is_right / tried, 2) if tried else 0.0, worth)
        return scores

    # --- text --------------------------------------------------------------------------------------------------------

    def text(self, lang: str | None = None) -> str:
        """Write the report as text."""
        lang = lang or self.lang
        key = {0: "heading.right", 1: "heading.one"}.get(len(self.bugs), "heading.several")
        blocks = [[say("diagnoses", key, lang, name=self.name, count=len(self.bugs))]]
        blocks += [_finding_text(finding, lang, f"{number}. ") for number, finding in enumerate(self.bugs, 1)]
        if self.limits:
            blocks.append([say("diagnoses", "limits", lang)])
            blocks += [_finding_text(finding, lang, "- ") for finding in self.limits]
        if self.missing:
            blocks.append([paragraph(say("diagnoses", "missing", lang, names=", ".join(self.missing)))])
        return "\n\n".join("\n".join(block) for block in blocks)

    def __repr__(self) -> str:
        return self.text()

    # --- for programs ------------------------------------------------------------------------------------------------

    def as_data(self, lang: str | None = None) -> dict[str, Any]:
        """Give the report as plain data, for JSON."""
        lang = lang or self.lang
        scores = self.scores()
        return {
            "engine": self.name,
            "right": not self.bugs,
            "score": round(sum(score for score, _ in scores.values()), 2),
            "of": sum(worth for _, worth in scores.values()),
            "findings": [_finding_data(finding, lang) for finding in self.findings.found],
            "missing": list(self.missing),
            "parts": {
                part: {
                    "tried": self.findings.tried.get(part, 0),
                    "right": self.findings.right.get(part, 0),
                    "score": score,
                    "of": worth,
                }
                for part, (score, worth) in scores.items()
            },
        }

    def gradescope(self, lang: str | None = None) -> dict[str, Any]:
        """Give the report in the layout of Gradescope's `results.json`: a test for each part, with its findings."""
        lang = lang or self.lang
        wrong = {finding.part for finding in self.bugs}
        return {
            "output": say("diagnoses", "missing", lang, names=", ".join(self.missing)) if self.missing else "",
            "output_format": "text",
            "visibility": "visible",
            "tests": [
                {
                    "name": say("diagnoses", f"part.{part}", lang),
                    "score": score,
                    "max_score": worth,
                    "status": "failed" if score < worth or part in wrong else "passed",
                    "output": "\n\n".join(
                        "\n".join(_finding_text(finding, lang, ""))
                        for finding in self.findings.found
                        if finding.part == part
                    ),
                    "output_format": "text",
                }
                for part, (score, worth) in self.scores().items()
            ],
        }


def rows(finding: Finding) -> list[Row]:
    """Put the engine's numbers beside the right ones, in the order in which backward visits them."""
    if finding.case is None or finding.got is None:
        return []
    case = finding.case
    true = right(case)
    if finding.of_values:
        named = [(name, name, true.values[name]) for name in case.names]
    elif len(case.roots) > 1:  # interior gradients belong to one pass alone
        named = [(name, f"{name}.grad", true.gradients[name]) for name, _ in case.leaves]
    else:
        named = [(name, f"d{case.roots[0]}/d{name}", true.gradients[name]) for name in reversed(case.names)]
    return [Row(shown, expected, finding.got[name]) for name, shown, expected in named if name in finding.got]


def first_wrong(shown: Sequence[Row]) -> Row | None:
    """Give the first row in which the two numbers differ."""
    return next((row for row in shown if not agree(row.right, row.yours)), None)


def _sentences(finding: Finding, lang: str) -> tuple[str, str]:
    values = dict(finding.values)
    if "stage" in values:
        values["stage"] = say("diagnoses", f"stage.{values['stage']}", lang)
    if "reason" in values:
        reason = values.pop("reason")
        values["reason"] = say("diagnoses", reason, lang, **values)
    title, why = (say("diagnoses", f"{finding.key}.{part}", lang, **values) for part in ("title", "why"))
    return title, why


def _finding_data(finding: Finding, lang: str) -> dict[str, Any]:
    title, why = _sentences(finding, lang)
    shown = rows(finding)
    first = first_wrong(shown)
    return {
        "bug": finding.key,
        "part": finding.part,
        "limit": finding.is_limit,
        "title": title,
        "why": why,
        "values": dict(finding.values),
        "place": finding.place and finding.place._asdict(),
        "graph": finding.case and {"text": finding.case.text, "leaves": dict(finding.case.leaves)},
        "backward": list(finding.case.roots) if finding.case else [],
        "numbers": [row._asdict() for row in shown],
        "first_wrong": first and first.name,
    }


def _finding_text(finding: Finding, lang: str, mark: str) -> list[str]:
    indent = " " * len(mark)
    title, why = _sentences(finding, lang)
    lines = [paragraph(title, mark, indent)]
    if place := finding.place:
        where = say("diagnoses", "line", lang, file=place.file, line=place.line, function=place.function)
        lines += [indent + where, f"{indent}  {place.source}"]
    lines += ["", paragraph(why, indent, indent)]
    shown = rows(finding)
    if finding.case is not None:
        lines += ["", indent + say("diagnoses", "smallest", lang), "", *_picture(finding.case, lang, indent + "  ")]
        if len(finding.case.roots) > 1:
            calls = ", ".join(f"{root}.backward()" for root in finding.case.roots)
            lines += ["", f"{indent}  {say('diagnoses', 'after', lang, calls=calls)}"]
        if shown:
            lines += ["", *_table(shown, lang, indent + "  ")]
    return lines


def _picture(case: Case, lang: str, indent: str) -> list[str]:
    drawn = [indent + line for line in case.picture()]
    if any(line.endswith(" *") for line in drawn):
        drawn.append(f"{indent}{say('diagnoses', 'again', lang)}")
    return drawn


def _table(shown: Sequence[Row], lang: str, indent: str) -> list[str]:
    first = first_wrong(shown)
    cells = [("", say("diagnoses", "right", lang), say("diagnoses", "yours", lang), "")]
    for row in shown:
        mark = say("diagnoses", "part", lang) if row is first else ""
        cells.append((row.name, number_text(row.right, 6), _number(row.yours), mark))
    return [indent + line for line in table(cells, "<>><")]


def _number(number: float) -> str:
    return number_text(number, 6) if number - number == 0 else str(number)  # infinity and NaN are a student's own
