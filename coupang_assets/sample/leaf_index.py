"""Which leaf of a category tree a search keyword means.

Belongs here: the rule below. Does not: reading files, or what becomes of the products (`real_input.py`).

1. The keyword equals a leaf's name, after both have lost spaces, case and what is in parentheses.
2. It equals one of the names a leaf unites with slashes or commas: `장우산` is `우산/장우산`.
3. The same without the leaf's word for whom it is: `장우산` is `남녀공용장우산`.
4. It ends with such a name, the longest winning: Korean compounds end in what the thing is, `비닐우산` is a `우산`.
   Only names of at most four levels, and of three or more signs unless it is the whole name, because a short part
   (`타이` of `포장끈/타이`) ends words it has nothing to do with.

A leaf here is also a fourth-level node with fifth levels below it. Several of one name: the one whose top category has
most leaves that bear the name, then the one with the shortest path, then the first in alphabetical order.
"""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence

BY_NAME = "keyword"
BY_ENDING = "keyword's ending"
NO_LEAF = "keyword matches no leaf"

Names = tuple[str, ...]
"""A path in the tree, top first."""

_AUDIENCE = re.compile(r"^(남녀공용|공용|여성|남성|아동|유아)")


def _plain(name: str) -> str:
    return re.sub(r"\(.*?\)|\s", "", unicodedata.normalize("NFKC", name).casefold())


class LeafIndex:
    """Leaves, and fourth-level nodes above leaves, by each name they can be asked for by."""

    def __init__(self, leaves: Sequence[Names]) -> None:
        self._candidates: dict[str, list[tuple[int, Names]]] = defaultdict(list)
        self._plain_leaves = [(leaf[0], _plain(leaf[-1])) for leaf in leaves]
        for node in sorted({*leaves, *(leaf[:4] for leaf in leaves)}):
            whole = _plain(node[-1])
            parts = [_plain(part) for part in re.split(r"[/,]", node[-1])]
            for closeness, names in enumerate(([whole], parts, [_AUDIENCE.sub("", name) for name in (whole, *parts)])):
                for name in filter(None, names):
                    self._candidates[name].append((closeness, node))

    def find(self, keyword: str, head_nouns: bool) -> tuple[Names | None, str]:
        """The node of a keyword, and how it was found."""
        plain = _plain(keyword)
        found = self._best(plain, self._candidates.get(plain, []))
        if found is not None:
            return found, BY_NAME
        for start in range(1, len(plain) - 1 if head_nouns else 0):
            ending = plain[start:]
            fit = [
                (closeness, node)
                for closeness, node in self._candidates.get(ending, [])
                if len(node) <= 4 and (closeness == 0 or len(ending) >= 3)
            ]
            found = self._best(ending, fit)
            if found is not None:
                return found, BY_ENDING
        return None, NO_LEAF

    def _best(self, name: str, candidates: list[tuple[int, Names]]) -> Names | None:
        if len(candidates) < 2:
            return candidates[0][1] if candidates else None
        homes = Counter(top for top, leaf in self._plain_leaves if name in leaf)
        return min((closeness, -homes[node[0]], len(node), node) for closeness, node in candidates)[3]
