"""Tell of many formulas those of the same form once: neurons differ only in the nodes that they compute with.

Reads plain data in which nodes stand by their numbers.
"""

import json
import re
from typing import Any


class Forms:
    """The forms that have been told; in them the nodes of a formula are 0, 1, ... in the order in which they come.

    `node` is the pattern of a node in JSON, with its number as the only group.

    >>> forms = Forms(r'"n(\\d+)"')
    >>> forms.of(["*", "n7", "n4"]), forms.of(["*", "n4", "n9"]), forms.told
    ([0, [7, 4]], [0, [4, 9]], [['*', 'n0', 'n1']])
    """

    def __init__(self, node: str) -> None:
        self._node = re.compile(node)
        self._forms: dict[str, int] = {}

    def of(self, formula: Any) -> list[Any] | None:
        """Give the place of the form and the numbers of its nodes; None for a formula that is not there."""
        if not formula:
            return None
        text = json.dumps(formula, separators=(",", ":"))
        nodes = list(dict.fromkeys(self._node.findall(text)))
        form = self._node.sub(lambda match: match[0].replace(match[1], str(nodes.index(match[1]))), text)
        return [self._forms.setdefault(form, len(self._forms)), list(map(int, nodes))]

    @property
    def told(self) -> list[Any]:
        """The forms, in the order of their places."""
        return list(map(json.loads, self._forms))
