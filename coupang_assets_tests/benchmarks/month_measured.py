"""One run of the month's benchmark: its data, its assets, what was measured on the way.

Belongs here: what every part of the benchmark needs. Does not: the parts (`month_steps`, `month_hive`, `month_growth`).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from coupang_assets_tests.benchmarks.figures import Figure
from coupang_assets_tests.benchmarks.month_data import write_events
from coupang_assets_tests.benchmarks.parts import Part, run_part

_GIB = 2**30
_OURS = "coupang_assets_tests.benchmarks.month_ours:run_assets"


@dataclass(frozen=True)
class Measurement:
    """One way of doing one thing; `peak` in bytes, `load` of the machine when it began."""

    what: str
    way: str
    seconds: float
    rows: int
    peak: int
    load: float

    @property
    def rate(self) -> float:
        return self.rows / self.seconds

    def described(self) -> str:
        return f"{self.rows:,} rows in {self.seconds:.1f} s, peak {self.peak / _GIB:.2f} GiB, load {self.load:.1f}"

    def figure(self) -> Figure:
        return Figure(f"{self.what}: {self.way}", round(self.rate), "rows/s", "", None, self.described())


class Month:
    """One run of the benchmark: what was asked for, where its data are, what was measured on the way."""

    def __init__(self, options: argparse.Namespace, folder: Path, console: Console) -> None:
        self.options = options
        self.folder = folder
        self.console = console
        self.measurements: list[Measurement] = []

    def say(self, what: str) -> None:
        self.console.print(f"[dim]{what} …[/dim]", highlight=False)

    def data(self, name: str, rows_a_day: int, days: int) -> Path:
        folder = self.folder / name
        self.say(f"making {days} days of {rows_a_day:,} events")
        write_events(folder, days, rows_a_day, self.options.distinct_share)
        return folder

    def assets(self, root: Path, warehouse: dict[str, Any], days: int, names: Sequence[str], **settings: Any) -> Part:
        return run_part(_OURS, root=str(root), warehouse=warehouse, days=days, datasets=list(names), **settings)

    def measured(self, what: str, way: str, seconds: float, rows: int, part: Part) -> float:
        """Note a line of the table; rows a second."""
        one = Measurement(what, way, seconds, rows, part.peak, part.load)
        self.measurements.append(one)
        self.say(f"{what}, {way}: {one.described()}")
        return one.rate
