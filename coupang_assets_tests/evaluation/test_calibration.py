"""Calibration against numbers worked out by hand."""

import numpy as np
import pytest

from coupang_assets.evaluation.calibration import automation, calibration_error, reliability


def test_a_bin_holds_its_upper_edge_and_the_ends_are_in_it() -> None:
    bins = reliability(np.array([0.0, 1 / 15, 0.2, 1.0]), np.array([False, True, True, True]))
    assert bins["titles"].tolist() == [2, 1, 1]
    assert bins["high"].tolist() == pytest.approx([1 / 15, 3 / 15, 1])
    assert bins["accuracy"].tolist() == pytest.approx([0.5, 1, 1])


def test_the_calibration_error_weighs_gaps_by_titles() -> None:
    score = np.array([0.9, 0.9, 0.9, 0.9, 0.3, 0.3])
    right = np.array([True, True, True, False, False, False])
    assert calibration_error(reliability(score, right)) == pytest.approx((4 * 0.15 + 2 * 0.3) / 6)


def test_scores_that_keep_what_they_promise_have_no_error() -> None:
    score = np.repeat([0.5, 1.0], 100)
    right = np.r_[np.tile([True, False], 50), np.ones(100, bool)]
    assert calibration_error(reliability(score, right)) == pytest.approx(0)


def test_automation_takes_equal_scores_together() -> None:
    score = np.r_[np.full(20, 0.9), np.full(20, 0.8), np.zeros(10)]
    right = np.r_[np.ones(20, bool), np.ones(18, bool), np.zeros(12, bool)]
    found = automation(score, right)
    assert found.coverage == pytest.approx(40 / 50) and found.threshold == 0.8, "38 of 40 are 95 %"
    right[39 - 2] = False
    assert automation(score, right).coverage == pytest.approx(20 / 50), "37 of 40 are not, 20 of 20 are"


def test_nothing_is_decided_where_no_threshold_is_good_enough() -> None:
    found = automation(np.array([0.9, 0.8]), np.array([False, True]))
    assert found.coverage == 0 and found.threshold is None
    assert automation(np.zeros(3), np.ones(3, bool)).coverage == 0, "a title without a prediction is never decided"
