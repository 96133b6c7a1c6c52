"""What a class works with: the documents' examples and equations, the usual mistakes, worksheets, checks of engines."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .engines import check_engine

__all__ = ["check_engine"]


def __getattr__(name: str) -> Any:
    if name == "check_engine":  # imported when first used, so that the command starts quickly
        from .engines import check_engine

        return check_engine
    raise AttributeError(f"module 'scalargrad.teach' has no attribute {name!r}")
