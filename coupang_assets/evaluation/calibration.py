"""Whether scores can be believed: calibration error, reliability, and how much can be decided at a given precision.

Belongs here: figures from the best prediction's score and whether it is right. Does not: drawing them (`plots`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

BINS = 15
TARGET_PRECISION = 0.95

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Automation:
    """What can be left to the classifier when it has to be right in `TARGET_PRECISION` of what it decides.

    Attributes:
        coverage: share of all titles it decides; 0 where no threshold reaches the precision.
        threshold: it decides titles whose best score is at least this; None where none reaches the precision.
    """

    coverage: float
    threshold: float | None


def reliability(score: Floats, right: Booleans) -> pd.DataFrame:
    """Promised against kept, by bins of equal width.

    Args:
        score: of the best prediction, 0 to 1, 0 where there is none.
        right: whether it is the true category.

    Returns:
        low, high, titles, confidence (mean score), accuracy; one row a bin that has a title.
    """
    # The upper edge belongs to a bin, so that a score of 1 is in the last and one of 0 in the first.
    place = np.clip(np.ceil(score * BINS).astype(np.int64) - 1, 0, BINS - 1)
    titles = np.bincount(place, minlength=BINS)
    used = np.flatnonzero(titles)
    return pd.DataFrame(
        {
            "low": used / BINS,
            "high": (used + 1) / BINS,
            "titles": titles[used],
            "confidence": np.bincount(place, score, BINS)[used] / titles[used],
            "accuracy": np.bincount(place, right, BINS)[used] / titles[used],
        }
    )


def calibration_error(bins: pd.DataFrame) -> float:
    """Expected calibration error of a `reliability` table: the bins' gaps, weighted by titles (Guo et al. 2017)."""
    gap = (bins["accuracy"] - bins["confidence"]).abs()
    return float((gap * bins["titles"]).sum() / bins["titles"].sum())


def automation(score: Floats, right: Booleans) -> Automation:
    """The most titles that can be decided at `TARGET_PRECISION`; titles of equal score are decided together.

    Args:
        score: of the best prediction, 0 where there is none: such a title is never decided.
        right: whether it is the true category.
    """
    order = np.argsort(-score, kind="stable")
    sorted_score = score[order]
    precision = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    last_of_equals = np.append(sorted_score[1:] != sorted_score[:-1], True)
    good = np.flatnonzero(last_of_equals & (precision >= TARGET_PRECISION) & (sorted_score > 0))
    if not len(good):
        return Automation(0.0, None)
    return Automation(float(good[-1] + 1) / len(score), float(sorted_score[good[-1]]))
