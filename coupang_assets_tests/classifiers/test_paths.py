"""Paths: only those of the dictionary, with probabilities that add up level by level."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from coupang_assets.classifiers.paths import PathPredictor
from coupang_assets.classifiers.protocol import Probabilities
from coupang_assets.classifiers.ranking import RankingClassifier
from coupang_assets.errors import CoupangAssetsError

DICTIONARY = pd.DataFrame(
    {
        "lv4_code": ["0001", "0002", "0003", "0004"],
        **{f"lv{n}_code": ["0010", "0010", "0010", "0020"] for n in range(1, 4)},
        "lv1_name": ["뷰티", "뷰티", "뷰티", "가전"],
        "lv2_name": ["메이크업", "메이크업", "스킨", "TV"],
        "lv3_name": ["립", "립", None, "TV"],
        "lv4_name": ["립스틱", "틴트", "토너", "TV"],
    }
)


class Fixed(RankingClassifier):
    """Says the same of every title, nothing of an empty one."""

    def __init__(self, codes: Sequence[str], probabilities: Sequence[float]) -> None:
        self._codes, self._row = codes, np.array(probabilities, np.float32)

    @property
    def codes(self) -> Sequence[str]:
        return self._codes

    def probabilities(self, titles: Sequence[str | None]) -> Probabilities:
        return np.stack([self._row if title else np.zeros_like(self._row) for title in titles])


def predictor(codes: Sequence[str], probabilities: Sequence[float]) -> PathPredictor:
    return PathPredictor(Fixed(codes, probabilities), DICTIONARY)  # type: ignore[arg-type]


def test_scores_of_a_level_are_the_sums_of_the_leaves_below() -> None:
    found = predictor(["0001", "0002", "0003", "0004"], [0.4, 0.3, 0.2, 0.1]).predict(["립스틱"])
    assert DICTIONARY["lv4_code"][found.row[0]] == "0001"
    assert found.scores[0].tolist() == pytest.approx([0.9, 0.7, 0.7, 0.4])


def test_a_likely_top_wins_over_a_slightly_more_likely_leaf() -> None:
    found = predictor(["0001", "0002", "0003", "0004"], [0.31, 0.2, 0.16, 0.33]).predict(["x"])
    assert DICTIONARY["lv4_code"][found.row[0]] == "0001"


def test_only_paths_of_the_dictionary_are_predicted() -> None:
    known = predictor(["0002", "9999"], [0.2, 0.8])
    found = known.predict(["x", ""])
    assert known.unknown == 1
    assert DICTIONARY["lv4_code"][found.row[0]] == "0002" and found.scores[0].tolist() == pytest.approx([1] * 4)
    assert found.row[1] == -1 and not found.scores[1].any()


def test_a_model_of_another_dictionary_is_a_clear_error() -> None:
    with pytest.raises(CoupangAssetsError, match="None of the model's 2 categories"):
        predictor(["7777", "9999"], [0.5, 0.5])


def test_no_titles_no_paths() -> None:
    assert len(predictor(["0001"], [1.0]).predict([]).row) == 0
