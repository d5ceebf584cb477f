"""How the month's cost grows with its rows: time and peak memory, from one million to forty.

Belongs here: the months of growing size. Does not: comparisons with other ways (`month_steps`, `month_hive`).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator

from coupang_assets_tests.benchmarks.figures import Figure
from coupang_assets_tests.benchmarks.month_measured import Month
from coupang_assets_tests.benchmarks.month_ours import ALL, STEP_1, STEP_2, STEP_4, TRAINING_SET

_GIB = 2**30
_MEASURED = (*STEP_1, *STEP_2, *STEP_4, *TRAINING_SET)
_SMALL, _LARGE = 4_000_000, 40_000_000


def figures(month: Month) -> Iterator[Figure]:
    """Steps 1, 2, 4 and the training set on months of every size asked for, and the two promises on the largest."""
    seconds: dict[int, float] = {}
    peaks: dict[int, int] = {}
    days = month.options.days
    for rows in sorted(month.options.growth):
        data = month.data(f"growth-{rows}", rows // days, days)
        root = month.folder / f"growth-root-{rows}"
        month.say(f"steps 1 to 4 and the training set on {rows:,} events")
        part = month.assets(root, {"folder": str(data / "warehouse")}, days, ALL)
        seconds[rows] = sum(part.result["seconds"][name] for name in _MEASURED)
        peaks[rows] = part.peak
        month.measured("steps 1, 2, 4, training set", f"ours, {rows:,} events", seconds[rows], rows, part)
        by_dataset = ", ".join(f"{name} {part.result['seconds'][name]:.1f} s" for name in _MEASURED)
        yield Figure(f"time at {rows:,} rows", round(seconds[rows], 1), "s", "", None, by_dataset)
        promised = rows >= _LARGE
        yield Figure(
            f"peak memory at {rows:,} rows", round(peaks[rows] / _GIB, 2), "GiB", "≤ 2" if promised else "",
            peaks[rows] <= 2 * _GIB if promised else None, "whole process tree, step 3's crawl among it",
        )  # fmt: skip
        shutil.rmtree(root)
        shutil.rmtree(data)
    if {_SMALL, _LARGE} <= seconds.keys():
        growth = seconds[_LARGE] / seconds[_SMALL]
        yield Figure(
            f"time at {_LARGE:,} rows against {_SMALL:,}", round(growth, 1), "times", "≤ 11", growth <= 11,
            "steps 1, 2, 4 and the training set",
        )  # fmt: skip
