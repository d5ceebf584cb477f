"""Held-out titles come in one order, and a rate is measured on enough of them."""

from collections.abc import Sequence

import ibis
import numpy as np
import pandas as pd
import pytest

from coupang_assets.classifiers.protocol import Ranking
from coupang_assets.evaluation.predictions import held_out, held_out_version, trained_titles
from coupang_assets.evaluation.rate import timed_ranking

ROWS = pd.DataFrame(
    [
        ("2", "나", "0001", "test"),
        ("1", "가", "0001", "test"),
        ("3", "다", "0002", "train"),
        ("4", "라", "0002", "train"),
        ("5", "마", "0001", "valid"),
    ],
    columns=["product_id", "ep_title", "category4", "split"],
)


class Counting:
    """A classifier that knows one category and counts what it is asked."""

    codes = ("0001",)

    def __init__(self) -> None:
        self.asked: list[int] = []

    def rank(self, titles: Sequence[str | None], top_k: int = 5) -> Ranking:
        self.asked.append(len(titles))
        return Ranking(np.zeros((len(titles), top_k), np.int32), np.ones((len(titles), top_k), np.float32))


def test_held_out_titles_are_those_of_the_test_split_in_one_order() -> None:
    titles = held_out(ibis.memtable(ROWS))
    assert titles["ep_title"].tolist() == ["가", "나"]
    again = held_out(ibis.memtable(ROWS.iloc[::-1]))
    pd.testing.assert_frame_equal(titles, again)
    assert held_out_version(titles) == held_out_version(again)


@pytest.mark.parametrize("column", ["product_id", "ep_title", "category4"])
def test_other_held_out_titles_have_another_version(column: str) -> None:
    titles = held_out(ibis.memtable(ROWS))
    other = titles.copy()
    other.loc[0, column] = "9999"
    assert held_out_version(other) != held_out_version(titles)


def test_trained_titles_are_counted_by_category() -> None:
    assert trained_titles(ibis.memtable(ROWS)) == {"0002": 2}


@pytest.mark.parametrize(("titles", "asked"), [(0, [0]), (3, [3, 2001]), (1999, [1999, 3998]), (2000, [2000])])
def test_few_titles_are_repeated_to_measure_a_rate(titles: int, asked: list[int]) -> None:
    classifier = Counting()
    ranking, rate = timed_ranking(classifier, ["제목"] * titles, 5)  # type: ignore[arg-type]
    assert classifier.asked == asked
    assert len(ranking.code) == titles
    assert (rate > 0) is (titles > 0)
