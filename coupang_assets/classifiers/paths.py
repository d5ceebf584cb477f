"""Predictions as whole category paths (spec step 6).

Belongs here: from probabilities of leaves to a path of the month's dictionary, with a probability for each level. Does
not: the classifiers, or reading the dictionary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from coupang_assets.classifiers.protocol import Classifier
from coupang_assets.classifiers.ranking import BATCH_TITLES
from coupang_assets.errors import CoupangAssetsError

LEVELS = 4


@dataclass(frozen=True)
class PathPredictions:
    """The best path of each title.

    Attributes:
        row: position in the dictionary; -1 where the title says nothing to the model.
        scores: titles by levels, top first: probability that the title belongs under the path's node of that level.
    """

    row: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float32]


class PathPredictor:
    """A classifier whose predictions are paths of one dictionary, and no others.

    Of all paths it takes the one that shares most with the truth on average, level by level: a wrong leaf under the
    right top is half right, a wrong top is all wrong.

    Attributes:
        dictionary: `cate_dictionary`.
        unknown: categories of the classifier that the dictionary does not have; they are never predicted, and their
            probability goes to the others.
    """

    def __init__(self, classifier: Classifier, dictionary: pd.DataFrame) -> None:
        """Raises CoupangAssetsError if classifier and dictionary have no category in common."""
        self._classifier = classifier
        self.dictionary = dictionary.reset_index(drop=True)
        position = {code: row for row, code in enumerate(self.dictionary["lv4_code"])}
        known = [index for index, code in enumerate(classifier.codes) if code in position]
        self.unknown = len(classifier.codes) - len(known)
        if not known:
            raise CoupangAssetsError(
                f"None of the model's {len(classifier.codes):,} categories is in the dictionary of "
                f"{len(self.dictionary):,}.",
                "Use model and dictionary of the same month, or materialize the model again.",
            )
        rows = np.array([position[classifier.codes[index]] for index in known])
        names = self.dictionary[[f"lv{level}_name" for level in range(1, LEVELS + 1)]].fillna("").to_numpy(dtype=str)
        # Sorted by path, the leaves under one node stand side by side at every level.
        order = np.lexsort([rows, *(names[rows, level] for level in reversed(range(LEVELS)))])
        self._columns, self._rows = np.array(known)[order], rows[order]
        changes = names[self._rows[1:]] != names[self._rows[:-1]]
        begins = np.concatenate([np.ones((1, LEVELS), bool), np.logical_or.accumulate(changes, axis=1)])
        begins[:, -1] = True
        self._node = np.cumsum(begins, axis=0) - 1
        # Of each node the one above it; and what adds up the nodes below one: nodes by nodes of the next level.
        self._above = [self._node[begins[:, level + 1], level] for level in range(LEVELS - 1)]
        self._sums = [_sums(above) for above in self._above]

    def predict(self, titles: Sequence[str | None]) -> PathPredictions:
        """The best path of each title. What is said of a title does not depend on the others."""
        parts = [self._batch(titles[start : start + BATCH_TITLES]) for start in range(0, len(titles), BATCH_TITLES)]
        none = PathPredictions(np.empty(0, np.int64), np.empty((0, LEVELS), np.float32))
        parts = parts or [none]
        return PathPredictions(np.concatenate([p.row for p in parts]), np.concatenate([p.scores for p in parts]))

    def _batch(self, titles: Sequence[str | None]) -> PathPredictions:
        leaves = np.take(self._classifier.probabilities(titles), self._columns, axis=1)
        total = leaves.sum(axis=1, keepdims=True)
        spoken = total[:, 0] > 0
        leaves /= np.where(total > 0, total, 1)
        # Nodes by titles, the leaves last.
        levels: list[Any] = [leaves.T]
        for sums in reversed(self._sums):
            levels.insert(0, sums @ levels[0])
        shared = levels[0]
        for above, nodes in zip(self._above[:-1], levels[1:-1], strict=True):
            shared = shared[above] + nodes
        best = np.argmax(np.take(np.ascontiguousarray(shared.T), self._above[-1], axis=1) + leaves, axis=1)
        rows = np.arange(len(best))
        scores = np.stack([nodes[self._node[best, level], rows] for level, nodes in enumerate(levels)], axis=1)
        scores[~spoken] = 0
        # A sum of many probabilities may end a rounding error above 1.
        return PathPredictions(np.where(spoken, self._rows[best], -1), np.minimum(scores, 1))


def _sums(above: npt.NDArray[np.int64]) -> Any:
    """What adds up the values of nodes by the node above them, ascending, CSR."""
    from scipy.sparse import csr_matrix

    ones = np.ones(len(above), np.float32)
    return csr_matrix((ones, (above, np.arange(len(above)))), shape=(above[-1] + 1, len(above)))
