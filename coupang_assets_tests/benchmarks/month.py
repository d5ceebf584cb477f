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
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from coupang_assets_tests.benchmarks import month_growth, month_hive, month_page, month_steps
from coupang_assets_tests.benchmarks.figures import Figure, report
from coupang_assets_tests.benchmarks.month_measured import Month
from coupang_assets_tests.benchmarks.parts import PartFailedError

_GROWTH = (1_000_000, 4_000_000, 10_000_000, 40_000_000)
PARTS = {
    "steps": month_steps.figures,
    "hive": month_hive.figures,
    "spark": month_hive.spark,
    "growth": month_growth.figures,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and report; 0 when every promise that was measured is kept."""
    options = _parser().parse_args(arguments)
    skipped = {name for part in options.skip for name in part.split(",") if name}
    if unknown := skipped - PARTS.keys():
        _parser().error(f"--skip {', '.join(sorted(unknown))}: parts are {', '.join(PARTS)}")
    options.work.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="month-benchmark-", dir=options.work))
    month = Month(options, folder, Console(stderr=True))
    try:
        figures = [figure for name in PARTS if name not in skipped for figure in _figures(name, month)]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    figures += [one.figure() for one in month.measurements]
    title = f"Month: {options.days} days of {options.rows_per_day:,} events, {options.distinct_share:.0%} long tail"
    kept = report(title, figures, options.json)
    if options.page is not None:
        month_page.write_page(options.page, title, [asdict(figure) for figure in figures])
    return 0 if kept else 1


def _figures(part: str, month: Month) -> Iterator[Figure]:
    """A part's figures; one that fails takes none of the others with it."""
    try:
        yield from PARTS[part](month)
    except PartFailedError as error:
        month.say(str(error))
        lines = str(error).splitlines()
        raised = [line for line in lines if "Error" in line or "Exception" in line]
        why = (raised or lines)[-1].replace(str(month.folder), "…")
        yield Figure(f"part {part}", "failed", "", "to end", False, why)


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
