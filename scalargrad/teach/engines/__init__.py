"""Check a student's engine: small graphs that tell bugs apart, and the bug's name where numbers go wrong."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import ModuleType

from .probe import Engine, Names
from .report import Report
from .stages import examine


def check_engine(
    engine: type,
    module: ModuleType | None = None,
    *,
    data: str = "data",
    grad: str = "grad",
    backward: str = "backward",
    points: Mapping[str, float] | None = None,
    lang: str = "en",
) -> Report:
    """Check a class of scalars with gradients, in this process, and give the report.

    `module` is where its functions and its networks are looked for, by default the one that the class stands in. For a
    file that is not trusted take the command `check-engine`, which has limits. Raises TypeError for what is no class.

    >>> from scalargrad import Value
    >>> check_engine(Value).bugs
    []
    """
    if not isinstance(engine, type):
        raise TypeError(f"check_engine: needs a class, got {engine!r}")
    namespace = vars(module or sys.modules[engine.__module__])
    findings = examine(Engine(engine, namespace, Names(data, grad, backward)))
    return Report(engine.__name__, findings, lang, points)
