"""Figures against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from coupang_assets.errors import CoupangAssetsError
from coupang_assets.evaluation.metrics import NO_PREDICTION, Evaluation, evaluate
from coupang_assets_tests.evaluation.rankings import ranking

NAMES = {"0001": ("뷰티", "립스틱"), "0002": ("뷰티", "틴트"), "0003": ("식품", "쌀")}


def ranked(*codes: str) -> list[tuple[str, float]]:
    return [(code, 1 / (place + 2)) for place, code in enumerate(codes)]


@pytest.fixture
def example() -> Evaluation:
    truth = ["0001", "0001", "0001", "0002", "0003"]
    predictions = [
        ranked("0001"),
        ranked("0002", "0003", "0001"),
        [],
        ranked("0002"),
        ranked("0001", "0002", "0004", "0003"),
    ]
    return evaluate(truth, *ranking(predictions), NAMES, {"0001": 30, "0002": 4})


def test_figures(example: Evaluation) -> None:
    assert example.titles == 5 and example.categories == 3
    found = example.figures()
    assert found["accuracy"] == example.accuracy == pytest.approx(2 / 5)
    assert found["top3_accuracy"] == pytest.approx(3 / 5)
    assert found["top5_accuracy"] == pytest.approx(4 / 5)
    assert found["level1_accuracy"] == pytest.approx(3 / 5)
    assert found["coverage"] == pytest.approx(4 / 5)
    assert found["macro_f1"] == pytest.approx((2 / 5 + 2 / 3 + 0) / 3)
    assert found["weighted_f1"] == pytest.approx((3 * 2 / 5 + 2 / 3 + 0) / 5)
    assert example.notice == ""


def test_figures_of_paths(example: Evaluation) -> None:
    # Shared nodes: 2 (right), 1 (틴트 for 립스틱), 0 (nothing predicted), 2 (right), 0 (립스틱 for 쌀).
    assert example.summary["hierarchical_precision"] == pytest.approx(5 / 8)
    assert example.summary["hierarchical_recall"] == pytest.approx(5 / 10)
    assert example.summary["hierarchical_f1"] == pytest.approx(10 / 18)
    assert example.levels["level"].tolist() == [1, 2]
    assert example.levels["categories"].tolist() == [2, 3]
    assert example.levels["accuracy"].tolist() == pytest.approx([3 / 5, 2 / 5])
    # 뷰티: 3 right of 4, claimed 4 times; 식품: never claimed.
    assert example.levels["macro_f1"].tolist() == pytest.approx([(3 / 4 + 0) / 2, example.summary["macro_f1"]])
    assert example.levels["weighted_f1"][0] == pytest.approx(4 / 5 * 3 / 4)


def test_paths_of_unequal_length_share_what_they_have() -> None:
    names = {"1": ("a", "b"), "2": ("a",), "3": ("c", "b")}
    found = evaluate(["1", "2", "1"], *ranking([ranked("2"), ranked("2"), ranked("3")]), names)
    # 'b' below 'c' is another node than 'b' below 'a'.
    assert found.summary["hierarchical_precision"] == pytest.approx((1 + 1 + 0) / (1 + 1 + 2))
    assert found.summary["hierarchical_recall"] == pytest.approx((1 + 1 + 0) / (2 + 1 + 2))
    assert found.levels["accuracy"].tolist() == pytest.approx([2 / 3, 1 / 3])


def test_the_interval_of_the_accuracy_is_wilsons(example: Evaluation) -> None:
    from scipy.stats import binomtest

    interval = binomtest(2, 5).proportion_ci(method="wilson")
    assert (example.summary["accuracy_low"], example.summary["accuracy_high"]) == pytest.approx(tuple(interval))
    for row in example.per_category.to_dict("records"):
        interval = binomtest(round(row["accuracy"] * row["support"]), row["support"]).proportion_ci(method="wilson")
        assert (row["accuracy_low"], row["accuracy_high"]) == pytest.approx(tuple(interval), abs=1e-12)


def test_per_category_table_is_largest_first(example: Evaluation) -> None:
    table = example.per_category
    assert table["code"].tolist() == ["0001", "0002", "0003"]
    assert table["path"].tolist() == ["뷰티 > 립스틱", "뷰티 > 틴트", "식품 > 쌀"]
    assert table["trained"].tolist() == [30, 4, 0]
    assert table["support"].tolist() == [3, 1, 1]
    assert table["accuracy"].tolist() == pytest.approx([1 / 3, 1, 0])
    assert table["precision"].tolist() == pytest.approx([1 / 2, 1 / 2, 0])


def test_confusion_adds_up_and_missing_predictions_are_no_confusion(example: Evaluation) -> None:
    assert example.confusion["titles"].sum() == 5
    assert NO_PREDICTION in example.confusion["predicted"].tolist()
    pairs = example.most_confused[["truth", "predicted", "titles"]].values.tolist()
    assert pairs == [["0001", "0002", 1], ["0003", "0001", 1]]
    assert example.most_confused["share"].tolist() == pytest.approx([1 / 3, 1])


def test_figures_are_those_of_scikit_learn() -> None:
    from sklearn.metrics import f1_score

    chance = np.random.default_rng(3)
    codes = [f"{n:04}" for n in range(12)]
    truth, best = (chance.choice(codes, 500).tolist() for _ in range(2))
    found = evaluate(truth, *ranking([ranked(code) for code in best]), {})
    assert found.summary["macro_f1"] == pytest.approx(f1_score(truth, best, average="macro"))
    assert found.summary["weighted_f1"] == pytest.approx(f1_score(truth, best, average="weighted"))


def test_codes_without_a_name_are_shown_as_they_are() -> None:
    evaluation = evaluate(["0009", "0001"], *ranking([ranked("0008"), ranked("0001")]), NAMES)
    assert evaluation.label("0009") == "0009" and evaluation.summary["level1_accuracy"] == 0.5


def test_an_empty_split_is_stated() -> None:
    evaluation = evaluate([], *ranking([]), NAMES)
    assert evaluation.accuracy is None and evaluation.summary["macro_f1"] is None
    assert set(evaluation.summary.values()) == {None}
    assert "no title" in evaluation.notice and evaluation.levels.empty and evaluation.reliability.empty


def test_a_single_category_is_stated() -> None:
    evaluation = evaluate(["0001", "0001"], *ranking([ranked("0001"), []]), NAMES)
    assert evaluation.accuracy == 0.5 and "single category, 뷰티 > 립스틱" in evaluation.notice


def test_different_lengths_are_refused() -> None:
    with pytest.raises(CoupangAssetsError, match="1 true categories but 0 predictions"):
        evaluate(["0001"], *ranking([]), NAMES)
