"""Scores that mean what they say: a power of one sigmoid for all categories, normalised over a title's categories.

Belongs here: which titles a classifier is calibrated on, and the sigmoid. Does not: the classifiers' own scores.

The sigmoid is Platt's (1999). Far to the left it is an exponential, so temperature scaling (Guo et al. 2017) is the
special case of a large negative offset; with an offset, scores of one-against-rest models are told too. The power is
for scores that say less the larger they are, as sums over the words of a title: far to the right, where one sigmoid is
flat, a large power of it still tells scores apart. It leaks: the better score always gets the larger probability.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import ibis
import numpy as np
import numpy.typing as npt
import pandas as pd

from coupang_assets.classifiers.protocol import CATEGORY, SPLIT, TITLE, TRAIN, VALID, training_rows
from coupang_assets.errors import CoupangAssetsError

Floats: TypeAlias = npt.NDArray[Any]
Model = TypeVar("Model")
Verdict = TypeVar("Verdict")

# More titles do not make one number more certain.
CALIBRATION_TITLES = 20_000
# As two hexadecimal digits, of 256.
_HELD_OUT = "1a"
# Scores looked at: titles times categories.
_CELLS = 2_000_000
# Share of the score that passes the sigmoid's logarithm unchanged.
_LEAK = 0.01
# Titles times categories at a time: what stays in the processor's cache.
_BLOCK_CELLS = 1 << 18
# Where the search begins, coarsely: logarithm of the slope per standard deviation of the scores, offset, and logarithm
# of the power.
_SLOPES = (0.0, 1.0, 2.0, 3.0)
_OFFSETS = (2.0, -2.0, -6.0, -10.0, -14.0)
_POWERS = (0.0, 4.0)
# Where it ends: far to the left the sigmoid is an exponential, and any offset with any power is the same temperature.
_BOUNDS = ((-6.0, 8.0), (-25.0, 10.0), (-4.0, 6.0))
_MAX_STEPS = 200


def learning_frame(training: ibis.Table, split: str, titles: int | None = None) -> pd.DataFrame:
    """Rows of a split in one order, whatever the engine's, and at most `titles` of them, chosen by a hash.

    Returns:
        ep_title, category4; by category, then title.

    Raises:
        CoupangAssetsError: a column is missing.
    """
    rows = training_rows(training, split)
    if titles is not None:
        rows = rows.order_by(rows[TITLE].hexdigest("md5"), CATEGORY, TITLE).limit(titles)
    return rows.execute().sort_values([CATEGORY, TITLE], kind="stable", ignore_index=True)


def balanced_frame(training: ibis.Table, split: str, titles: Callable[[int], int]) -> pd.DataFrame:
    """`learning_frame` with equally many titles a category at most, but one at least.

    Args:
        titles: how many titles there may be together, given the number of categories.
    """
    rows = training_rows(training, split)
    categories = max(1, int(rows[CATEGORY].nunique().execute()))
    by_hash = ibis.window(group_by=CATEGORY, order_by=[rows[TITLE].hexdigest("md5"), TITLE])
    rows = rows.mutate(place=ibis.row_number().over(by_hash))
    rows = rows.filter(rows.place < max(1, titles(categories) // categories)).drop("place")
    return rows.execute().sort_values([CATEGORY, TITLE], kind="stable", ignore_index=True)


def require_rows(rows: pd.DataFrame) -> None:
    """Raises CoupangAssetsError if there is nothing to learn from."""
    if rows.empty:
        raise CoupangAssetsError(
            "The training set has no row of split 'train' with a title and a category.",
            "Check coupang_train of this month.",
        )


@dataclass(frozen=True)
class Calibration:
    """Probability of a category: leaky sigmoid(slope * score + offset) ** power, over the sum of all of the title.

    A power of 1 is Platt's sigmoid.
    """

    slope: float = 1.0
    offset: float = 0.0
    power: float = 1.0

    def probabilities(self, scores: Floats) -> npt.NDArray[np.float32]:
        """Titles by categories; rows sum to 1."""
        found = np.empty(scores.shape, np.float32)
        rows = max(1, _BLOCK_CELLS // max(1, scores.shape[1]))
        for start in range(0, len(found), rows):
            part = np.asarray(scores[start : start + rows], np.float32) * np.float32(self.slope)
            part += np.float32(self.offset)
            logits = _log_leaky_sigmoid(part)
            logits *= np.float32(self.power)
            logits -= logits.max(axis=1, keepdims=True)
            np.exp(logits, out=logits)
            np.divide(logits, logits.sum(axis=1, keepdims=True), out=found[start : start + rows])
        return found

    def as_json(self) -> dict[str, float]:
        """For a model's file; `Calibration(**…)` reads it."""
        return {"slope": self.slope, "offset": self.offset, "power": self.power}

    @classmethod
    def from_json(cls, content: Any) -> Calibration:
        """Raises KeyError, TypeError or ValueError for what `as_json` has not written."""
        return cls(float(content["slope"]), float(content["offset"]), float(content.get("power", 1.0)))


def learn_calibrated(
    training: ibis.Table, learn: Callable[[ibis.Table], Model], judge: Callable[[Model, pd.DataFrame], Calibration]
) -> tuple[Model, Calibration]:
    """A model that has learned from all training rows, and the calibration of its scores (see `judged`)."""
    model = learn(training)
    return model, judged(model, training, learn, judge) or Calibration()


def judged(
    model: Model,
    training: ibis.Table,
    learn: Callable[[ibis.Table], Model] | None,
    judge: Callable[[Model, pd.DataFrame], Verdict],
) -> Verdict | None:
    """What is found out about a model with titles it has not learned from.

    They are the valid split of `training`; where that is empty, a tenth of the training titles (by a hash), with a
    model learned from the other nine, for which that tenth is the valid split.

    Args:
        model: has learned from the rows of split `train`.
        learn: makes a model from the rows of split `train`; None: only the valid split is judged by.
        judge: is given a model and titles it has not seen: ep_title, category4.

    Returns:
        What `judge` gives; None where there are no titles to judge by.
    """
    valid = learning_frame(training, VALID, CALIBRATION_TITLES)
    if len(valid):
        return judge(model, valid)
    if learn is None:
        return None
    rest, held_out = _held_out_tenth(training)
    return None if rest is None else judge(learn(rest), held_out)


def calibrate(rows: pd.DataFrame, codes: list[str], scores: Floats) -> Calibration:
    """The calibration that makes the true categories most likely.

    Args:
        rows: category4 of each title; categories that are not in `codes` do not count.
        codes: of the columns of `scores`, sorted.
        scores: titles by codes.

    Returns:
        The default where nothing can be learned: no known title, or one category.
    """
    from scipy.optimize import minimize

    position = {code: index for index, code in enumerate(codes)}
    known = np.flatnonzero(rows[CATEGORY].isin(position).to_numpy())
    if not len(known) or len(codes) < 2:
        return Calibration()
    known = known[:: max(1, len(known) * len(codes) // _CELLS)]
    truth = rows[CATEGORY].iloc[known].map(position).to_numpy()
    kept = np.asarray(scores, np.float64)[known]
    spread = float(kept.std()) or 1.0
    # Platt's own remedy against certainty: as if there were one title more, of any category.
    doubt = 1 / (len(truth) + 2)

    def loss(parameters: Floats) -> float:
        slope, offset, power = parameters
        logits = np.exp(power) * _log_leaky_sigmoid(kept * (np.exp(slope) / spread) + offset)
        largest = logits.max(axis=1)
        total = np.log(np.exp(logits - largest[:, None]).sum(axis=1)) + largest
        right = (1 - doubt) * logits[np.arange(len(truth)), truth] + doubt * logits.mean(axis=1)
        return float(np.mean(total - right))

    start = min(itertools.product(_SLOPES, _OFFSETS, _POWERS), key=lambda point: loss(np.array(point)))
    # From a simplex of its own: the default's is a point where a parameter begins at 0, and stays where it is.
    simplex = np.array(start) + np.array([[0.0, 0.0, 0.0], [0.5, 0.0, 0.0], [0.0, -2.0, 0.0], [0.0, 0.0, 0.5]])
    options = {"maxiter": _MAX_STEPS, "xatol": 1e-3, "fatol": 1e-6, "initial_simplex": simplex}
    slope, offset, power = minimize(loss, simplex[0], method="Nelder-Mead", bounds=_BOUNDS, options=options).x
    found = np.exp(slope) / spread, offset, np.exp(power)
    # Rounded, so that the last digits of a sum do not become part of a file.
    return Calibration(*(float(f"{value:.4g}") for value in found))


def _log_leaky_sigmoid(values: Floats) -> Floats:
    # What scipy's log_expit gives; but numpy takes exp and log1p of many values at once, which is five times as fast.
    found: Floats = np.abs(values)
    np.negative(found, out=found)
    np.exp(found, out=found)
    np.log1p(found, out=found)
    np.subtract(np.minimum(values, 0), found, out=found)
    found += values * values.dtype.type(_LEAK)
    return found


def _held_out_tenth(training: ibis.Table) -> tuple[ibis.Table | None, pd.DataFrame]:
    """A training table with a tenth of its training titles, chosen by a hash, as valid split, and that tenth.

    Returns:
        The table, or None where fewer than two categories would be left to learn; ep_title and category4.
    """
    tenth = training[TITLE].hexdigest("md5").left(2) < _HELD_OUT
    split = ibis.ifelse((training[SPLIT] == TRAIN) & tenth, VALID, training[SPLIT])
    rest = training.mutate(**{SPLIT: split})
    held_out = learning_frame(rest, VALID, CALIBRATION_TITLES)
    if held_out.empty or int(training_rows(rest)[CATEGORY].nunique().execute()) < 2:
        return None, held_out
    return rest, held_out
