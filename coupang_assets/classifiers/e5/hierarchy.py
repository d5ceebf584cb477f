"""The two levels of categories the model learns together.

Belongs here: which leaf lies under which top category. Does not: the network that scores them (`network`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from coupang_assets.errors import CoupangAssetsError


@dataclass(frozen=True)
class Tree:
    """Leaves under top categories; a leaf has exactly one, so every leaf is one valid path.

    Attributes:
        leaves: codes, sorted.
        tops: codes, sorted; empty where there is no hierarchy and the model is flat.
        parent: position in `tops` of each leaf's top category; empty where there is none.
    """

    leaves: tuple[str, ...]
    tops: tuple[str, ...] = ()
    parent: tuple[int, ...] = ()

    @classmethod
    def of(cls, leaves: Iterable[str], top_of: Mapping[str, str] | None = None) -> Tree:
        """The tree of some leaves; flat if `top_of` is not given or puts all under one top.

        Raises:
            CoupangAssetsError: `top_of` lacks a leaf.
        """
        ordered = tuple(sorted(set(leaves)))
        if top_of is None:
            return cls(ordered)
        missing = [leaf for leaf in ordered if leaf not in top_of]
        if missing:
            raise CoupangAssetsError(
                f"{len(missing)} categories have no top category: {', '.join(missing[:5])}.",
                "Give the dictionary the training set was made with, or train without hierarchy.",
            )
        tops = tuple(sorted({top_of[leaf] for leaf in ordered}))
        if len(tops) < 2:
            return cls(ordered)
        place = {top: index for index, top in enumerate(tops)}
        return cls(ordered, tops, tuple(place[top_of[leaf]] for leaf in ordered))

    def top_of(self) -> dict[str, str]:
        """Top category by leaf; empty for a flat tree."""
        return {leaf: self.tops[parent] for leaf, parent in zip(self.leaves, self.parent, strict=False)}


def pairs_to_tree(pairs: Sequence[tuple[str, str | None]]) -> Tree:
    """The tree that distinct (leaf, top) pairs of a training table make; flat if any top is missing.

    Raises:
        CoupangAssetsError: a leaf is under two top categories.
    """
    top_of: dict[str, str] = {}
    for leaf, top in sorted(pairs, key=str):
        if top is None:
            return Tree.of(leaf for leaf, _ in pairs)
        if top_of.setdefault(leaf, top) != top:
            raise CoupangAssetsError(
                f"Category {leaf} is under two top categories, {top_of[leaf]} and {top}.",
                "Give each path its own code, or train without hierarchy.",
            )
    return Tree.of(top_of, top_of)
