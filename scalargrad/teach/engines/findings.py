"""What a check finds: one record for each bug, the numbers that show it, and the parts that were checked.

Reads nothing but the cases and places that it keeps.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from .cases import Case
from .places import Place

PARTS = (
    "values",
    "derivatives",
    "accumulation",
    "order",
    "seed",
    "passes",
    "numbers",
    "graph",
    "depth",
    "network",
    "training",
)


class Finding(NamedTuple):
    """One bug, or one limit: what it is called in the messages, and the smallest graph on which it shows."""

    key: str
    part: str
    values: Mapping[str, str]  # what the sentences name
    case: Case | None = None
    got: Mapping[str, float] | None = None  # the engine's numbers, values or gradients, by name
    of_values: bool = False  # whether `got` are values, not gradients
    place: Place | None = None
    is_limit: bool = False  # true of the engine, but no bug: micrograd has it as well

    def as_data(self) -> dict[str, Any]:
        """Give the finding as plain data, for JSON."""
        return {
            **self._asdict(),
            "values": dict(self.values),
            "case": self.case and self.case._asdict(),
            "got": None if self.got is None else dict(self.got),
            "place": self.place and self.place._asdict(),
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Finding:
        """Take a finding from plain data."""
        case = data["case"]
        return cls(
            **{
                **data,
                "case": case
                and Case(case["text"], tuple((name, number) for name, number in case["leaves"]), tuple(case["roots"])),
                "place": data["place"] and Place(**data["place"]),
            }
        )


class Findings(NamedTuple):
    """All that a check says: what is wrong, what is not there, and how much of each part was tried and was right."""

    found: tuple[Finding, ...]
    missing: tuple[str, ...]
    tried: Mapping[str, int]
    right: Mapping[str, int]
