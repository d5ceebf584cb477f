"""Rankings written by hand, for tests of what judges them."""

from collections.abc import Sequence

import numpy as np

from coupang_assets.classifiers.protocol import Ranking


def ranking(predictions: Sequence[Sequence[tuple[str, float]]], top_k: int = 5) -> tuple[Ranking, list[str]]:
    """Codes and scores of each title, best first, as a ranking and the codes it refers to."""
    codes = sorted({code for ranked in predictions for code, _ in ranked})
    code = np.full((len(predictions), top_k), -1, np.int32)
    score = np.zeros((len(predictions), top_k), np.float32)
    for row, ranked in enumerate(predictions):
        for column, (name, value) in enumerate(ranked[:top_k]):
            code[row, column], score[row, column] = codes.index(name), value
    return Ranking(code, score), codes
