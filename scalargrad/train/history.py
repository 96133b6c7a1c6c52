"""The history of a training run, which draws itself: in a line of text, in a notebook, or into a file.

Reads nothing of a run but its numbers. `training.fit` fills it in.
"""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from .. import markup
from .data import extra


@dataclass
class History:
    """What happened in a training run: as text two small curves, in a notebook a picture."""

    losses: list[float] = field(default_factory=list)  # of each iteration: the mean over its batch
    accuracies: list[float] = field(default_factory=list)  # of each epoch: each sample as it was before its update
    interrupted: bool = False  # whether Ctrl-C ended the run

    def __str__(self) -> str:
        curves = (("loss", self.losses, "iterations"), ("accuracy", self.accuracies, "epochs"))
        lines = [
            f"{name:8} {sparkline(numbers)} {numbers[0]:.4g} to {numbers[-1]:.4g} in {len(numbers)} {unit}"
            for name, numbers, unit in curves
            if numbers
        ]
        return "\n".join([*lines, "interrupted"] if self.interrupted else lines)

    def draw(self, path: str | os.PathLike[str]) -> None:
        """Write the curves as a picture, of the kind that the path ends in: .png, .svg, .pdf.

        Raises ModuleNotFoundError where Matplotlib is not installed, ValueError for another kind.
        """
        self._save(path, None)

    def _repr_mimebundle_(self, *_: Any, **__: Any) -> dict[str, str]:
        written = io.StringIO()
        try:
            self._save(written, "svg")
        except ModuleNotFoundError:
            return {"text/plain": str(self)}
        return markup.picture(written.getvalue(), str(self))

    def _save(self, file: Any, kind: str | None) -> None:
        curves = [("loss", self.losses), ("accuracy", self.accuracies)][: 2 if self.accuracies else 1]
        figure = extra("matplotlib.figure").Figure(figsize=(7, 2.5 * len(curves)), layout="constrained")
        panels = figure.subplots(len(curves), sharex=True, squeeze=False)[:, 0]
        for axes, (name, numbers) in zip(panels, curves):
            scale = len(self.losses) / max(1, len(numbers))  # an epoch takes so many iterations
            axes.plot([scale * number for number in range(1, len(numbers) + 1)], numbers, linewidth=0.8)
            axes.set_ylabel(name)
            axes.grid(alpha=0.3)
        panels[-1].set_xlabel("iteration")
        with extra("matplotlib").rc_context({"svg.hashsalt": "scalargrad"}):  # the same file in every run
            figure.savefig(file, format=kind, dpi=150, metadata={"Date": None} if kind == "svg" else None)


def sparkline(numbers: Sequence[float], width: int = 40) -> str:
    """Draw a curve in one line of text, from the least of its numbers to the largest.

    >>> sparkline([0, 1, 2, 3, 2, 1])
    '▁▃▆█▆▃'
    """
    width = min(width, len(numbers))
    ends = [index * len(numbers) // width for index in range(width + 1)]
    points = [sum(numbers[start:end]) / (end - start) for start, end in pairwise(ends)]
    low, high = min(points), max(points)
    return "".join("▁▂▃▄▅▆▇█"[round(7 * (point - low) / ((high - low) or 1))] for point in points)
