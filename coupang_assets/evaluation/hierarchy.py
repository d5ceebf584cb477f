"""Figures that know the tree: a wrong leaf under the right top is less wrong than a wrong top.

Belongs here: figures level by level and over whole paths. Does not: figures of leaves alone (`metrics`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

Ints = npt.NDArray[np.int64]
_NOTHING = -1


@dataclass(frozen=True)
class PathScores:
    """Set-based hierarchical precision, recall and F1, summed over titles.

    As Silla and Freitas (2011) and Kosmopoulos et al. (2015) define them. A path is the set
    of its nodes, leaf included. Precision is the share of predicted nodes that are true, recall the share of true nodes
    that are predicted.
    """

    precision: float
    recall: float
    f1: float


class PathNodes:
    """Paths of some categories as numbered nodes: two paths share a node where all names down to it are the same."""

    def __init__(self, paths: Sequence[tuple[str, ...]]) -> None:
        """Args:
        paths: of each category, top first, none empty; a title's category is a position in it.
        """
        depth = max(map(len, paths), default=0)
        self._nodes = np.full((len(paths) + 1, depth), _NOTHING, np.int64)
        number: dict[tuple[str, ...], int] = {}
        for index, path in enumerate(paths):
            for level in range(len(path)):
                self._nodes[index, level] = number.setdefault(path[: level + 1], len(number))
        self._lengths = np.append(np.array([len(path) for path in paths], np.int64), 0)

    @property
    def depth(self) -> int:
        """Levels of the longest path."""
        return int(self._nodes.shape[1])

    def at_level(self, category: Ints, level: int) -> Ints:
        """Node of each title's category at a level, 1 is the top; a shorter path's last node; -1 for category -1."""
        place = np.minimum(self._lengths[category], level) - 1
        return np.where(category == _NOTHING, _NOTHING, self._nodes[category, np.maximum(place, 0)])

    def score(self, truth: Ints, predicted: Ints) -> PathScores:
        """Compare whole paths; a prediction of -1 is the empty path."""
        shared = sum(
            int(((self._nodes[truth, level] == self._nodes[predicted, level]) & (self._nodes[truth, level] >= 0)).sum())
            for level in range(self.depth)
        )
        claimed, wanted = int(self._lengths[predicted].sum()), int(self._lengths[truth].sum())
        precision, recall = shared / claimed if claimed else 0.0, shared / wanted if wanted else 0.0
        return PathScores(precision, recall, 2 * shared / (claimed + wanted) if claimed + wanted else 0.0)


def f1_by_class(truth: Ints, predicted: Ints) -> pd.DataFrame:
    """Precision, recall and F1 of each true class, in whole numbers as far as possible.

    Returns:
        class, support (titles truly of it), right (of these), precision, recall, f1; by class. Precision of a class
        that is never predicted is 0.
    """
    classes, support = np.unique(truth, return_counts=True)
    right = _counts(truth[truth == predicted], classes)
    claimed = _counts(predicted, classes)
    return pd.DataFrame(
        {
            "class": classes,
            "support": support,
            "right": right,
            "precision": right / np.maximum(claimed, 1),
            "recall": right / support,
            "f1": 2 * right / (support + claimed),
        }
    )


def _counts(values: Ints, classes: Ints) -> Ints:
    if not len(classes):
        return np.empty(0, np.int64)
    place = np.minimum(np.searchsorted(classes, values), len(classes) - 1)
    return np.bincount(place[classes[place] == values], minlength=len(classes))


def level_figures(nodes: PathNodes, truth: Ints, predicted: Ints) -> pd.DataFrame:
    """Accuracy and F1 of each level of the tree.

    Returns:
        level (1 is the top), categories (that titles truly have), accuracy, macro_f1, weighted_f1.
    """
    rows = []
    for level in range(1, nodes.depth + 1):
        true_node, predicted_node = nodes.at_level(truth, level), nodes.at_level(predicted, level)
        table = f1_by_class(true_node, predicted_node)
        rows.append(
            {
                "level": level,
                "categories": len(table),
                "accuracy": float((true_node == predicted_node).mean()),
                "macro_f1": float(table["f1"].mean()),
                "weighted_f1": float(np.average(table["f1"], weights=table["support"])),
            }
        )
    return pd.DataFrame(rows, columns=["level", "categories", "accuracy", "macro_f1", "weighted_f1"])
