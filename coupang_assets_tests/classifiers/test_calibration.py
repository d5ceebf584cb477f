"""Calibrated scores: honest where the true category is known, and never in another order than the scores."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coupang_assets.classifiers.calibration import Calibration, calibrate

CODES = ["0012", "0034", "0560"]


@given(
    st.lists(st.floats(0, 20, width=32), min_size=3, max_size=3, unique=True),
    st.floats(0.1, 60),
    st.floats(-50, 20),
    st.floats(0.2, 100),
)
def test_the_larger_score_gets_the_larger_probability_however_steep(
    scores: list[float], slope: float, offset: float, power: float
) -> None:
    (found,) = Calibration(slope, offset, power).probabilities(np.array([scores]))
    assert found.sum() == pytest.approx(1, abs=1e-5)
    order = np.argsort(scores)
    gaps = np.diff(np.array(scores)[order])
    assert (np.diff(found[order]) >= 0).all()
    # Where the sigmoid is flat, what is not lost in the scores' own rounding is still told apart.
    assert found[order[-1]] > found[order[-2]] or gaps[-1] < 1e-2


@pytest.mark.parametrize("categories", [2, 700])
def test_far_to_the_left_it_is_temperature_scaling_however_many_titles_come_at_once(categories: int) -> None:
    scores = np.random.default_rng(0).normal(size=(900, categories)) * 3
    logits = 1.01 * 2 * scores
    expected = np.exp(logits - logits.max(axis=1, keepdims=True))
    expected /= expected.sum(axis=1, keepdims=True)
    found = Calibration(2.0, -200.0).probabilities(scores)
    assert found == pytest.approx(expected, rel=1e-3, abs=1e-7)


def test_scores_that_leave_no_doubt_do_not_become_certain_of_two_categories() -> None:
    rows = pd.DataFrame({"category4": CODES * 20})
    found = calibrate(rows, CODES, np.tile(np.eye(3), (20, 1)) * 2)
    best, second, _ = np.sort(found.probabilities(np.array([[3.0, 1.5, 0.0]]))[0])[::-1]
    assert best > second


def test_a_coin_that_is_thrown_gets_one_half() -> None:
    rows = pd.DataFrame({"category4": ["0012", "0034"] * 50})
    scores = np.tile([[1.0, 1.0, 0.0]], (100, 1))
    assert calibrate(rows, CODES, scores).probabilities(scores)[0, :2] == pytest.approx([0.5, 0.5], abs=0.01)


@pytest.mark.parametrize("scale", [0.01, 1, 100])
@pytest.mark.parametrize("shift", [-5, 0, 5])
def test_scores_of_any_scale_come_out_honest(scale: float, shift: float) -> None:
    rng = np.random.default_rng(0)
    categories, titles = 30, 900
    codes = [f"{number:04d}" for number in range(categories)]
    scores = rng.normal(size=(titles, categories))
    truth = rng.integers(categories, size=titles)
    scores[np.arange(titles), truth] += 4
    rows = pd.DataFrame({"category4": [codes[number] for number in truth]})
    found = calibrate(rows, codes, scores * scale + shift).probabilities(scores * scale + shift)
    gap = found.max(axis=1).mean() - (found.argmax(axis=1) == truth).mean()
    assert abs(gap) < 0.03


def test_scores_that_say_less_the_larger_they_are_come_out_honest_at_both_ends() -> None:
    rng = np.random.default_rng(0)
    categories, titles = 30, 6000
    codes = [f"{number:04d}" for number in range(categories)]
    scores = rng.gamma(0.3, 1.5, size=(titles, categories))
    chances = np.exp(-11 * np.exp(-scores))
    chances /= chances.sum(axis=1, keepdims=True)
    truth = (chances.cumsum(axis=1) > rng.random((titles, 1))).argmax(axis=1)
    rows = pd.DataFrame({"category4": [codes[number] for number in truth]})
    found = calibrate(rows, codes, scores).probabilities(scores)
    promised, right = found.max(axis=1), found.argmax(axis=1) == truth
    for part in np.array_split(np.argsort(promised), 5):
        assert abs(promised[part].mean() - right[part].mean()) < 0.04


@pytest.mark.parametrize(("categories", "sharpness", "seed"), [(3, 1.0, 2), (36, 1.5, 0), (36, 0.7, 2), (300, 1.5, 2)])
def test_logarithms_of_honest_probabilities_come_out_as_the_probabilities(
    categories: int, sharpness: float, seed: int
) -> None:
    rng, titles = np.random.default_rng(seed), 3000
    codes = [f"{number:04d}" for number in range(categories)]
    scores = rng.normal(size=(titles, categories))
    scores[np.arange(titles), rng.integers(categories, size=titles)] += rng.gamma(2, 3, size=titles)
    honest = np.exp(scores * sharpness)
    honest /= honest.sum(axis=1, keepdims=True)
    truth = (honest.cumsum(axis=1) > rng.random((titles, 1))).argmax(axis=1)
    rows = pd.DataFrame({"category4": [codes[number] for number in truth]})
    logarithms = np.log(np.maximum(honest, 1e-9))
    found = calibrate(rows, codes, logarithms).probabilities(logarithms)
    assert np.abs(found.max(axis=1) - honest.max(axis=1)).mean() < 0.02


def test_a_calibration_comes_back_from_its_file_and_one_without_a_power_is_a_sigmoid() -> None:
    one = Calibration(2.0, -3.0, 4.0)
    assert Calibration.from_json(one.as_json()) == one
    assert Calibration.from_json({"slope": 2.0, "offset": -3.0}) == Calibration(2.0, -3.0, 1.0)


def test_without_a_known_title_scores_are_left_as_they_are() -> None:
    assert calibrate(pd.DataFrame({"category4": ["9999"]}), CODES, np.ones((1, 3))) == Calibration()
