"""How sure a share of titles is.

Belongs here: confidence intervals. Does not: comparing two classifiers (`significance`).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_Z95 = 1.959963984540054


def wilson_interval(
    right: npt.ArrayLike, titles: npt.ArrayLike
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Lower and upper ends of the 95 % Wilson score interval of `right` of `titles`, element by element.

    Unlike the normal approximation it stays within 0 and 1 and holds for a handful of titles (Wilson 1927; Brown, Cai
    and DasGupta 2001). Of no title at all nothing is known: 0 to 1.
    """
    n = np.asarray(titles, np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.asarray(right, np.float64) / n
        middle = (share + _Z95**2 / (2 * n)) / (1 + _Z95**2 / n)
        half = _Z95 / (1 + _Z95**2 / n) * np.sqrt(share * (1 - share) / n + _Z95**2 / (4 * n**2))
    low, high = np.clip(middle - half, 0, 1), np.clip(middle + half, 0, 1)
    return np.where(n > 0, low, 0.0), np.where(n > 0, high, 1.0)
