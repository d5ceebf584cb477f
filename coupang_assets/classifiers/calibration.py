"""Scores that mean what they say: temperature scaling (Guo et al., 2017, "On Calibration of Modern Neural Networks").

Belongs here: which titles a classifier is calibrated on, and the temperature. Does not: the classifiers' own scores.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

import ibis
import numpy as np
import numpy.typing as npt
import pandas as pd

from coupang_assets.classifiers.protocol import CATEGORY, TITLE, TRAIN, VALID, training_rows
from coupang_assets.errors import CoupangAssetsError

Floats: TypeAlias = npt.NDArray[Any]
Model = TypeVar("Model")

# More titles do not make one number more certain.
CALIBRATION_TITLES = 20_000
# As two hexadecimal digits, of 256.
_HELD_OUT = "1a"
_SMALLEST, _LARGEST = 1e-3, 1e4


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


def learn_calibrated(
    training: ibis.Table, learn: Callable[[ibis.Table], Model], judge: Callable[[Model, pd.DataFrame], float]
) -> tuple[Model, float]:
    """A model and the temperature of its scores.

    The temperature comes from the valid split of `training`; where that is empty, from a tenth of the training titles
    (by a hash) and a model learned from the other nine. The model returned has learned from all of them.

    Args:
        learn: makes a model from the rows of split `train`.
        judge: temperature of a model on titles it has not seen: ep_title, category4.
    """
    model = learn(training)
    valid = learning_frame(training, VALID, CALIBRATION_TITLES)
    if len(valid):
        return model, judge(model, valid)
    rest, held_out = _held_out_tenth(training)
    return model, 1.0 if rest is None else judge(learn(rest), held_out)


def fit_temperature(rows: pd.DataFrame, codes: list[str], logits: Floats) -> float:
    """The factor on `logits` whose softmax makes the true categories most likely.

    Args:
        rows: category4 of each title; categories that are not in `codes` do not count.
        codes: of the columns of `logits`, sorted.
        logits: titles by codes.

    Returns:
        1 where nothing can be learned: no known title, or one category.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import logsumexp

    position = {code: index for index, code in enumerate(codes)}
    known = rows[CATEGORY].isin(position).to_numpy()
    if not known.any() or len(codes) < 2:
        return 1.0
    truth = rows.loc[known, CATEGORY].map(position).to_numpy()
    kept = np.asarray(logits, np.float64)[known]
    kept -= kept.max(axis=1, keepdims=True)
    true_logit = kept[np.arange(len(kept)), truth]

    def loss(log_factor: float) -> float:
        factor = np.exp(log_factor)
        return float(np.mean(logsumexp(kept * factor, axis=1) - true_logit * factor))

    found = minimize_scalar(loss, bounds=(np.log(_SMALLEST), np.log(_LARGEST)), method="bounded")
    # Rounded, so that the last digits of a sum do not become part of a file.
    return float(f"{np.exp(found.x):.6g}")


def softmax(logits: Floats) -> npt.NDArray[np.float32]:
    """Probabilities of each row, in place where the type allows."""
    logits = np.asarray(logits, np.float32)
    logits -= logits.max(axis=1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(axis=1, keepdims=True)
    return logits


def _held_out_tenth(training: ibis.Table) -> tuple[ibis.Table | None, pd.DataFrame]:
    """A training table without a tenth of its titles, chosen by a hash, and that tenth.

    Returns:
        The table, or None where holding titles out would leave fewer than two categories; ep_title and category4.
    """
    tenth = training[TITLE].hexdigest("md5").left(2)
    held_out = learning_frame(training.filter(tenth < _HELD_OUT), TRAIN, CALIBRATION_TITLES)
    rest = training.filter(tenth >= _HELD_OUT)
    if held_out.empty or int(training_rows(rest)[CATEGORY].nunique().execute()) < 2:
        return None, held_out
    return rest, held_out
