"""`python -m coupang_assets_tests.benchmarks.month --rows-per-day N --json FILE`: is a month as fast as promised?

Makes a month of events, runs the steps through the real assets and, on the same data, the ways they replace: the
notebook (PyHive cursor, pandas, to_csv), bare pyarrow, and DuckDB written by hand. Hive is a Spark Thrift Server that
is started for it. Every part is a process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from coupang_assets_tests.benchmarks import month_page
from coupang_assets_tests.benchmarks.figures import Figure, report
from coupang_assets_tests.benchmarks.month_data import TABLE, sampled_days, write_events
from coupang_assets_tests.benchmarks.month_ours import ALL, STEP_1, STEP_2, STEP_4, TRAINING_SET, digests, month_folder
from coupang_assets_tests.benchmarks.parts import Part, run_part

_GIB = 2**30
_OURS = "coupang_assets_tests.benchmarks.month_ours:run_assets"
_BASELINES = "coupang_assets_tests.benchmarks.month_baselines:"
_GROWTH = (1_000_000, 4_000_000, 10_000_000, 40_000_000)
PARTS = ("steps", "hive", "spark", "growth")


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


def embedded(folder: Path) -> dict[str, Any]:
    return {"folder": str(folder / "warehouse")}


def seconds_of(part: Part, names: Sequence[str]) -> float:
    return sum(part.result["seconds"][name] for name in names)


def steps(month: Month) -> Iterator[Figure]:
    """Steps 1, 2, 4 and the training set against pyarrow, pandas and DuckDB by hand."""
    options = month.options
    data = month.data("main", options.rows_per_day, options.days)
    root = month.folder / "main-root"
    days = [f"{day:%Y%m%d}" for day in sampled_days(options.days)]
    month.say("steps 1 to 4 and the training set")
    ours = month.assets(root, embedded(data), options.days, ALL)
    rows = ours.result["rows"]
    one, two_and_four = seconds_of(ours, STEP_1), seconds_of(ours, (*STEP_2, *STEP_4))
    month.measured("step 1", "ours, ORC files", one, rows, ours)
    month.measured("steps 2 + 4", "ours", two_and_four, rows, ours)
    month.measured("training set", "ours", seconds_of(ours, TRAINING_SET), rows, ours)

    with tempfile.TemporaryDirectory(dir=month.folder) as out:
        partitions = [str(data / "warehouse" / TABLE / f"day={day}") for day in days]
        arrow = run_part(_BASELINES + "pyarrow_to_csv", partitions=partitions, out=out)
    month.measured("step 1", "bare pyarrow", arrow.seconds, rows, arrow)
    against_arrow = one / arrow.seconds
    yield Figure(
        "step 1 against bare pyarrow ORC to CSV", round(against_arrow, 2), "times its time", "≤ 1.5",
        against_arrow <= 1.5, f"{rows:,} rows; pyarrow neither cleans, sorts, counts nor hashes; the faster of "
        "whole files and streamed batches",
    )  # fmt: skip
    files = month_folder(root)
    raw = sorted(str(path) for path in files.glob("raw/*.csv"))
    with tempfile.TemporaryDirectory(dir=month.folder) as out:
        arguments = {
            "raw": raw, "known": str(files / "updated_unique.csv"), "merge": str(files / "category_merge.csv"),
            "dictionary": str(files / "cate_dictionary.csv"), "rows": options.baseline_rows, "out": out,
        }  # fmt: skip
        pandas = {way: run_part(_BASELINES + "pandas_steps", way=way, **arguments) for way in ("replace", "map")}
    for way, part in pandas.items():
        rate = month.measured("steps 2 + 4", f"pandas, codes by {way}", part.seconds, part.result["rows"], part)
        faster = rows / two_and_four / rate
        promised = way == "replace"
        yield Figure(
            f"steps 2 + 4 against pandas with {way}", round(faster, 1), "times faster", "≥ 10" if promised else "",
            faster >= 10 if promised else None,
            f"rates; pandas on the days' first {part.result['rows']:,} rows"
            + (", as the notebook did it" if promised else ", the quickest pandas has"),
        )  # fmt: skip
    with tempfile.TemporaryDirectory(dir=month.folder) as out:
        hand = run_part(
            _BASELINES + "duckdb_steps", raw=raw, cate_all=str(files / "coupang_cate_all.csv"), memory_limit="1GB",
            spill=str(Path(out) / "spill"), out=out,
        )  # fmt: skip
        same = all(
            digests(files, pattern) == digests(Path(out), pattern)
            for pattern in (*(f"{name}.csv" for name in (*STEP_2, *STEP_4[:2])), "define/*.csv")
        )
    month.measured("steps 2 + 4", "DuckDB by hand", hand.seconds, rows, hand)
    against_hand = two_and_four / hand.seconds
    yield Figure(
        "steps 2 + 4 against hand-written DuckDB", round(against_hand, 2), "times its time", "≤ 1.3",
        against_hand <= 1.3 and same,
        f"{rows:,} rows, same memory limit; its files are {'the same byte for byte' if same else 'NOT the same'}",
    )  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and report; 0 when every promise that was measured is kept."""
    options = _parser().parse_args(arguments)
    skipped = {name for part in options.skip for name in part.split(",") if name}
    if unknown := skipped - set(PARTS):
        _parser().error(f"--skip {', '.join(sorted(unknown))}: parts are {', '.join(PARTS)}")
    from coupang_assets_tests.benchmarks import month_growth, month_hive

    makers = {"steps": steps, "hive": month_hive.figures, "spark": month_hive.spark, "growth": month_growth.figures}
    options.work.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="month-benchmark-", dir=options.work))
    month = Month(options, folder, Console(stderr=True))
    try:
        figures = [figure for name in PARTS if name not in skipped for figure in makers[name](month)]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    figures += [one.figure() for one in month.measurements]
    title = f"Month: {options.days} days of {options.rows_per_day:,} events, {options.distinct_share:.0%} long tail"
    kept = report(title, figures, options.json)
    if options.page is not None:
        month_page.write_page(options.page, title, [asdict(figure) for figure in figures])
    return 0 if kept else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__.split(": ", 1)[1], prog="python -m coupang_assets_tests.benchmarks.month",
        epilog=f"A million rows a day take about half an hour and 15 GB of disk; growth to {_GROWTH[-1]:,} rows most "
        "of it. A first look: --rows-per-day 100000 --skip hive,spark,growth",
    )  # fmt: skip
    parser.add_argument(
        "--rows-per-day", type=int, default=1_000_000, metavar="N", help="events a day, all advertisers"
    )
    parser.add_argument("--days", type=int, default=8, metavar="D", help="sampled days, at most 8")
    parser.add_argument(
        "--distinct-share", type=float, default=0.7, metavar="S",
        help="of the rows, those of products that hardly come twice; the rest come from 12,000 products (default 0.7)",
    )  # fmt: skip
    parser.add_argument(
        "--baseline-rows", type=int, default=200_000, metavar="N",
        help="rows that the slow ways, PyHive's cursor and pandas, are timed on; they are compared by rate",
    )  # fmt: skip
    parser.add_argument(
        "--growth", type=int, nargs="*", default=list(_GROWTH), metavar="N",
        help=f"rows of the months that show how cost grows (default {' '.join(map(str, _GROWTH))})",
    )  # fmt: skip
    parser.add_argument("--skip", action="append", default=[], metavar="PARTS", help=f"leave out: {','.join(PARTS)}")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()), help="folder for the data, which go")
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--page", type=Path, help="write the page of the docs there, and its plot beside it")
    return parser


if __name__ == "__main__":
    sys.exit(main())
