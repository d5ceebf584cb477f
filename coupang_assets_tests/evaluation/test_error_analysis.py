"""Errors with their products, and the e5 report made of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest

from coupang_assets.classifiers.protocol import Prediction
from coupang_assets.evaluation import e5_report, error_analysis

TITLES = [f"title {number}" for number in range(6)]
TRUTH = ["a", "a", "a", "b", "b", "c"]
BEST = [("a", 0.99), ("b", 0.97), ("b", 0.4), ("b", 0.8), ("a", 0.6), None]
NAMES = {"a": "Top > A", "b": "Top > B", "c": "Other > C"}


class Fixed:
    """Says what it is told to say."""

    def __init__(self, best: Sequence[tuple[str, float] | None]) -> None:
        self._best = best

    def predict(self, titles: Sequence[str | None], top_k: int = 5) -> list[list[Prediction]]:
        return [[Prediction(*one)] if one else [] for one in self._best]


def table(best: Sequence[tuple[str, float] | None] = BEST) -> pd.DataFrame:
    return error_analysis.predictions_table(TITLES, TRUTH, Fixed(best).predict(TITLES))


def test_accuracy_by_confidence_counts_every_title_once() -> None:
    found = error_analysis.by_confidence(table())
    assert found["titles"].sum() == len(TITLES)
    row = found[found["from"] == 0.95].iloc[0]
    assert (row["titles"], row["accuracy"], row["mean_score"]) == (2, 0.5, pytest.approx(0.98))


def test_wrong_titles_come_most_certain_first() -> None:
    found = error_analysis.wrong(table())
    assert found["text"].tolist() == ["title 1", "title 4", "title 2", "title 5"]
    assert found["predicted"].tolist()[-1] == ""


def test_changes_against_the_model_before_are_told_apart() -> None:
    before = table([("a", 0.9), ("a", 0.9), ("b", 0.9), ("a", 0.9), ("a", 0.9), ("b", 0.9)])
    found = error_analysis.changes(before, table()).set_index("text")["repaired"].to_dict()
    assert found == {"title 1": -1, "title 3": 1, "title 5": 0}


def test_a_person_reads_pairs_with_examples_and_certain_errors() -> None:
    said = error_analysis.markdown(table(), NAMES)
    assert "**Top > A** taken for **Top > B**, 2 times: title 1 (97%); title 2 (40%)" in said
    assert "| title 1 | Top > A | Top > B | 97.0% |" in said
    assert "(none)" in said
    assert "There is none." in said


def test_titles_cannot_break_the_table() -> None:
    rows = table()
    rows["text"] = "a | b\nc"
    assert r"| a \| b c |" in error_analysis.markdown(rows, NAMES)


def test_nothing_to_judge_is_no_failure() -> None:
    empty = error_analysis.predictions_table([], [], [])
    assert "0 of 0" in error_analysis.markdown(empty, {})


def test_the_report_compares_with_flat_and_with_the_report_before(tmp_path: Path) -> None:
    test = pd.DataFrame({"ep_title": TITLES, "category4": TRUTH, "path": [NAMES[code] for code in TRUTH]})
    flat = [("b", 0.5), *BEST[1:]]
    judged = e5_report.judge(Fixed(BEST), test, Fixed(flat))  # type: ignore[arg-type]
    assert (judged.only_model, judged.only_flat) == (1, 0)
    assert judged.p_value() == 1.0
    assert "1 titles are right only with the hierarchy, 0 only without" in judged.markdown()
    e5_report.write(judged, tmp_path / "1", None)
    before = e5_report.read_predictions(tmp_path / "1" / "predictions.csv")
    pd.testing.assert_frame_equal(before, judged.predictions)
    e5_report.write(e5_report.judge(Fixed(flat), test, None), tmp_path / "2", before)  # type: ignore[arg-type]
    assert "1 titles of both are predicted otherwise: 0 are right now, 1 no longer" in (
        tmp_path / "2" / "errors.md"
    ).read_text(encoding="utf-8")
    stored = json.loads((tmp_path / "1" / "report.json").read_text(encoding="utf-8"))
    assert stored["figures"]["accuracy"] == pytest.approx(2 / 6, abs=1e-6)
    assert stored["flat"]["accuracy"] == pytest.approx(1 / 6, abs=1e-6)


def test_curves_are_a_picture() -> None:
    epochs = [{"epoch": n, "loss": 1 / n, "accuracy": 0.1 * n, "f1": 0.1 * n} for n in range(1, 4)]
    assert e5_report.curves(epochs).startswith(b"\x89PNG")
