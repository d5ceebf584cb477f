"""Errors with their products, and the e5 report made of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from coupang_assets.classifiers.protocol import Ranking
from coupang_assets.evaluation import e5_report, error_analysis
from coupang_assets.evaluation.predictions import read_predictions

TITLES = [f"title {number}" for number in range(6)]
TRUTH = ["a", "a", "a", "b", "b", "c"]
BEST = [("a", 0.99), ("b", 0.97), ("b", 0.4), ("b", 0.8), ("a", 0.6), None]
NAMES = {"a": "Top > A", "b": "Top > B", "c": "Other > C"}


class Fixed:
    """Says what it is told to say."""

    codes = ("a", "b", "c")

    def __init__(self, best: Sequence[tuple[str, float] | None]) -> None:
        self._best = best

    def rank(self, titles: Sequence[str | None], top_k: int = 5) -> Ranking:
        code = [[self.codes.index(one[0]) if one else -1] for one in self._best]
        score = [[one[1] if one else 0.0] for one in self._best]
        return Ranking(np.array(code, np.int32), np.array(score, np.float32))


def titles() -> pd.DataFrame:
    path = [NAMES[code] for code in TRUTH]
    return pd.DataFrame({"product_id": TITLES, "ep_title": TITLES, "category4": TRUTH, "path": path}, dtype=object)


def judged() -> e5_report.Judged:
    return e5_report.judge(Fixed(BEST), titles())  # type: ignore[arg-type]


def table(best: Sequence[tuple[str, float] | None] = BEST) -> pd.DataFrame:
    return e5_report.judge(Fixed(best), titles()).predictions  # type: ignore[arg-type]


def said(rows: pd.DataFrame) -> str:
    return error_analysis.markdown(rows, judged().evaluation.reliability, NAMES)


def test_wrong_titles_come_most_certain_first() -> None:
    found = error_analysis.wrong(table())
    assert found["ep_title"].tolist() == ["title 1", "title 4", "title 2", "title 5"]
    assert found["predicted"].tolist()[-1] == ""


def test_changes_against_the_model_before_are_told_apart() -> None:
    before = table([("a", 0.9), ("a", 0.9), ("b", 0.9), ("a", 0.9), ("a", 0.9), ("b", 0.9)])
    found = error_analysis.changes(before, table()).set_index("ep_title")["repaired"].to_dict()
    assert found == {"title 1": -1, "title 3": 1, "title 5": 0}


def test_a_person_reads_pairs_with_examples_and_certain_errors() -> None:
    text = said(table())
    assert "**Top > A** taken for **Top > B**, 2 times: title 1 (97%); title 2 (40%)" in text
    assert "| title 1 | Top > A | Top > B | 97.0% |" in text
    assert "(none)" in text
    assert "There is none." in text
    assert "| 0.93-1.00 | 2 | 50.0% | 98.0% |" in text


def test_titles_cannot_break_the_table() -> None:
    rows = table()
    rows["ep_title"] = "a | b\nc"
    assert r"| a \| b c |" in said(rows)


def test_nothing_to_judge_is_no_failure() -> None:
    empty = table().head(0)
    assert "0 of 0" in said(empty)


def test_the_report_compares_with_flat_and_with_the_report_before(tmp_path: Path) -> None:
    flat = [("b", 0.5), *BEST[1:]]
    compared = e5_report.judge(Fixed(BEST), titles(), Fixed(flat))  # type: ignore[arg-type]
    assert "1 titles are right only with the hierarchy, 0 only without" in compared.markdown()
    assert "not significant" in compared.markdown()
    about = {"classifier": "e5", "month": "2024_05"}
    e5_report.write(compared, about, tmp_path / "1", None)
    before = read_predictions(tmp_path / "1" / "predictions.parquet")
    e5_report.write(e5_report.judge(Fixed(flat), titles()), about, tmp_path / "2", before)  # type: ignore[arg-type]
    text = (tmp_path / "2" / "errors.md").read_text(encoding="utf-8")
    assert "1 titles of both are predicted otherwise: 0 are right now, 1 no longer" in text
    stored = json.loads((tmp_path / "1" / "report.json").read_text(encoding="utf-8"))
    stored_flat = json.loads((tmp_path / "1" / "hierarchy.json").read_text(encoding="utf-8"))
    assert stored["figures"]["accuracy"] == pytest.approx(2 / 6, abs=1e-6)
    assert stored_flat["flat"]["accuracy"] == pytest.approx(1 / 6, abs=1e-6)
    assert stored_flat["paired_test"]["only_first"] == 1


def test_curves_are_a_picture() -> None:
    epochs = [{"epoch": n, "loss": 1 / n, "accuracy": 0.1 * n, "f1": 0.1 * n} for n in range(1, 4)]
    assert e5_report.curves(epochs).startswith(b"\x89PNG")
