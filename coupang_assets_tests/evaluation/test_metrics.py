"""Figures against numbers worked out by hand."""

from __future__ import annotations

import pytest

from coupang_assets.classifiers.protocol import Prediction
from coupang_assets.errors import CoupangAssetsError
from coupang_assets.evaluation.metrics import NO_PREDICTION, evaluate

NAMES = {"0001": ("뷰티", "립스틱"), "0002": ("뷰티", "틴트"), "0003": ("식품", "쌀")}


def ranked(*codes: str) -> list[Prediction]:
    return [Prediction(code, 1 / (place + 2)) for place, code in enumerate(codes)]


@pytest.fixture
def example():  # type: ignore[no-untyped-def]
    truth = ["0001", "0001", "0001", "0002", "0003"]
    predictions = [
        ranked("0001"),
        ranked("0002", "0003", "0001"),
        [],
        ranked("0002"),
        ranked("0001", "0002", "0004", "0003"),
    ]
    return evaluate(truth, predictions, NAMES)


def test_figures(example) -> None:  # type: ignore[no-untyped-def]
    assert example.titles == 5 and example.categories == 3
    assert example.accuracy == pytest.approx(2 / 5)
    assert example.top3_accuracy == pytest.approx(3 / 5)
    assert example.level1_accuracy == pytest.approx(3 / 5)
    assert example.coverage == pytest.approx(4 / 5)
    assert example.macro_f1 == pytest.approx((2 / 5 + 2 / 3 + 0) / 3)
    assert example.weighted_f1 == pytest.approx((3 * 2 / 5 + 2 / 3 + 0) / 5)
    assert example.notice == ""


def test_per_category_table_is_largest_first(example) -> None:  # type: ignore[no-untyped-def]
    table = example.per_category
    assert table["code"].tolist() == ["0001", "0002", "0003"]
    assert table["path"].tolist() == ["뷰티 > 립스틱", "뷰티 > 틴트", "식품 > 쌀"]
    assert table["support"].tolist() == [3, 1, 1]
    assert table["recall"].tolist() == pytest.approx([1 / 3, 1, 0])
    assert table["precision"].tolist() == pytest.approx([1 / 2, 1 / 2, 0])


def test_confusion_adds_up_and_missing_predictions_are_no_confusion(example) -> None:  # type: ignore[no-untyped-def]
    assert example.confusion["titles"].sum() == 5
    assert NO_PREDICTION in example.confusion["predicted"].tolist()
    pairs = example.most_confused[["truth", "predicted", "titles"]].values.tolist()
    assert pairs == [["0001", "0002", 1], ["0003", "0001", 1]]
    assert example.most_confused["share"].tolist() == pytest.approx([1 / 3, 1])


def test_codes_without_a_name_are_shown_as_they_are() -> None:
    evaluation = evaluate(["0009", "0001"], [ranked("0008"), ranked("0001")], NAMES)
    assert evaluation.label("0009") == "0009" and evaluation.level1_accuracy == 0.5


def test_an_empty_split_is_stated() -> None:
    evaluation = evaluate([], [], NAMES)
    assert evaluation.accuracy is None and evaluation.macro_f1 is None and "no title" in evaluation.notice


def test_a_single_category_is_stated() -> None:
    evaluation = evaluate(["0001", "0001"], [ranked("0001"), []], NAMES)
    assert evaluation.accuracy == 0.5 and "single category, 뷰티 > 립스틱" in evaluation.notice


def test_different_lengths_are_refused() -> None:
    with pytest.raises(CoupangAssetsError, match="1 true categories but 0 predictions"):
        evaluate(["0001"], [], NAMES)
