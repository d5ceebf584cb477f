"""The classifier benchmark in small: its report has the agreed form and its intervals are intervals."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from coupang_assets_tests.benchmarks import notebook
from coupang_assets_tests.benchmarks.classifiers import calibration_error, main, paired_interval, wilson
from coupang_assets_tests.classifiers.titles import made


@pytest.mark.slow
def test_all_classifiers_stand_side_by_side(tmp_path: Path) -> None:
    made(40).to_csv(tmp_path / "titles.csv", index=False)
    arguments = ["--data", str(tmp_path / "titles.csv"), "--text", "ep_title", "--label", "category4", "--folds", "2"]
    main([*arguments, "--json", str(tmp_path / "figures.json")])
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert {tuple(figure) for figure in figures} == {("figure", "value", "unit", "target", "ok", "how")}
    accuracy = {one["figure"]: one["value"] for one in figures if one["figure"].endswith(": accuracy")}
    assert set(accuracy) == {
        f"{name}: accuracy" for name in ("biterm", "fasttext", "svm", "fasttext (words)", "vote", "notebook")
    }
    assert accuracy["biterm: accuracy"] > 95


def test_the_notebooks_way_counts_words_and_pairs() -> None:
    percents = notebook.learn(["b a", "a"], ["1", "2"])
    assert percents == {("a", ""): {"1": 0.5, "2": 0.5}, ("b", ""): {"1": 1.0}, ("a", "b"): {"1": 1.0}}
    assert notebook.predict(percents, ["b a", "c"]) == ["1", ""]


def test_intervals_hold_the_estimate_and_shrink_with_titles() -> None:
    low, high = wilson(90, 100)
    assert low < 0.9 < high and wilson(9000, 10_000)[0] > low
    a, b = np.arange(1000) % 10 > 0, np.arange(1000) % 5 > 0
    low, high = paired_interval(a, b)
    assert low < 0.1 < high


def test_calibration_error_of_honest_and_of_boastful_scores() -> None:
    right = np.arange(1000) % 4 > 0
    assert calibration_error(np.full(1000, 0.75), right) == pytest.approx(0)
    assert calibration_error(np.full(1000, 0.95), right) == pytest.approx(0.2)
