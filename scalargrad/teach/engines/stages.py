"""All that is tried on an engine, in the order in which each stage needs what those before it have found.

Reads the stages.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from . import networks, operations, passing
from .examination import Examination, Stop
from .findings import PARTS, Findings
from .probe import Engine

STAGES: dict[str, Callable[[Examination], None]] = {
    "class": operations.made,
    "values": operations.values,
    "seed": operations.seed,
    "derivatives": operations.derivatives,
    "upstream": passing.upstream,
    "equality": passing.equality,
    "accumulation": passing.accumulation,
    "repeats": passing.repeats,
    "order": passing.order,
    "passes": passing.passes,
    "equal_numbers": passing.equal_numbers,
    "rest": passing.rest,
    "whole_numbers": operations.whole_numbers,
    "depth": passing.depth,
    "networks": networks.check,
}


def examine(engine: Engine, say: Callable[[str], None] = lambda stage: None) -> Findings:
    """Run all stages on an engine, each announced by its name, and give what they found."""
    exam = Examination(engine)
    with suppress(Stop), engine.watched(), exam.helped:
        for name, stage in STAGES.items():
            say(name)
            stage(exam)
    for part in {finding.part for finding in exam.found if not finding.is_limit}:
        if exam.tried[part] == exam.right[part]:
            exam.score(part, False)
    found = [finding for part in PARTS for finding in exam.found if finding.part == part]
    return Findings(tuple(found), tuple(exam.missing), dict(exam.tried), dict(exam.right))
