"""The page that a class clicks through: of one graph, or one in which formulas are typed.

Reads the two modules that write them.
"""

from .live import playground
from .writing import Page, page, write_page

__all__ = ["Page", "page", "playground", "write_page"]
