"""From probabilities to ranked predictions, the same for every classifier.

Belongs here: `RankingClassifier`, which gives a classifier `rank` and `predict` once it has `probabilities`. Does not:
where probabilities come from.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from coupang_assets.classifiers.protocol import Prediction, Probabilities, Ranking

# 1,024 titles times 10,000 categories are 40 MB of probabilities.
BATCH_TITLES = 1024


class RankingClassifier(ABC):
    """The part of the protocol that follows from `probabilities`."""

    @property
    @abstractmethod
    def codes(self) -> Sequence[str]:
        """Categories the model knows, sorted."""

    @abstractmethod
    def probabilities(self, titles: Sequence[str | None]) -> Probabilities:
        """See `Classifier.probabilities`."""

    def rank(self, titles: Sequence[str | None], top_k: int = 5) -> Ranking:
        """See `Classifier.rank`."""
        parts = [
            top(self.probabilities(titles[start : start + BATCH_TITLES]), top_k)
            for start in range(0, max(len(titles), 1), BATCH_TITLES)
        ]
        return Ranking(np.concatenate([part.code for part in parts]), np.concatenate([part.score for part in parts]))

    def predict(self, titles: Sequence[str | None], top_k: int = 5) -> list[list[Prediction]]:
        """See `Classifier.predict`."""
        ranking = self.rank(titles, top_k)
        codes = self.codes
        return [
            [Prediction(codes[code], score) for code, score in zip(of_title, scores, strict=True) if code >= 0]
            for of_title, scores in zip(ranking.code.tolist(), ranking.score.tolist(), strict=True)
        ]


def top(probabilities: Probabilities, top_k: int) -> Ranking:
    """The `top_k` largest probabilities of each row, best first, ties in code order; zeros are no predictions."""
    width = min(top_k, probabilities.shape[1])
    if not width:
        return Ranking(np.empty((len(probabilities), 0), np.int32), np.empty((len(probabilities), 0), np.float32))
    if width == 1:
        best = probabilities.argmax(axis=1)[:, None]
    elif width * 8 < probabilities.shape[1]:
        # Ties at the edge must fall to the smaller code, which a partition does not promise: take all at the edge.
        edge = np.partition(probabilities, probabilities.shape[1] - width, axis=1)[:, -width][:, None]
        row, code = np.nonzero((probabilities >= edge) & (probabilities > 0))
        order = np.lexsort((code, -probabilities[row, code], row))
        row, code = row[order], code[order]
        place = np.arange(len(row)) - np.searchsorted(row, row)
        kept = place < width
        best = np.zeros((len(probabilities), width), np.int64)
        best[row[kept], place[kept]] = code[kept]
        filled = np.zeros(best.shape, bool)
        filled[row[kept], place[kept]] = True
        score = np.where(filled, np.take_along_axis(probabilities, best, axis=1), np.float32(0))
        return Ranking(np.where(filled, best, -1).astype(np.int32), score)
    else:
        best = np.argsort(-probabilities, axis=1, kind="stable")[:, :width]
    score = np.take_along_axis(probabilities, best, axis=1)
    return Ranking(np.where(score > 0, best, -1).astype(np.int32), score)
