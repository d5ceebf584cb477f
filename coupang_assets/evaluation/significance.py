"""Whether one classifier is better than another, or was lucky.

Belongs here: paired tests on the same titles, and their correction when there are several. Does not: what follows from
them (`champion`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class PairedTest:
    """McNemar's test of two classifiers on the same titles.

    Attributes:
        only_first: titles that only the first has right.
        only_second: titles that only the second has right.
        p_value: two-sided mid-p value that they are equally good.
    """

    only_first: int
    only_second: int
    p_value: float


def paired_test(first_right: npt.NDArray[np.bool_], second_right: npt.NDArray[np.bool_]) -> PairedTest:
    """Compare two classifiers title by title.

    The mid-p variant of the exact test (Fagerland, Lydersen and Laake 2013): only titles on which they differ count,
    and it holds its level for few of them too, without the exact test's caution.
    """
    from scipy.stats import binom

    only_first = int((first_right & ~second_right).sum())
    only_second = int((second_right & ~first_right).sum())
    differing, fewer = only_first + only_second, min(only_first, only_second)
    p_value = 2 * binom.cdf(fewer, differing, 0.5) - binom.pmf(fewer, differing, 0.5)
    # Where they are even the two tails overlap.
    return PairedTest(only_first, only_second, 1.0 if only_first == only_second else min(1.0, float(p_value)))


def holm(p_values: Sequence[float]) -> list[float]:
    """P values corrected for their number, in the given order (Holm 1979)."""
    order = np.argsort(p_values, kind="stable")
    corrected = np.asarray(p_values, np.float64)[order] * np.arange(len(p_values), 0, -1)
    result = np.empty(len(p_values))
    result[order] = np.minimum(np.maximum.accumulate(corrected), 1.0)
    return [float(value) for value in result]
