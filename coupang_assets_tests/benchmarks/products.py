"""`python -m coupang_assets_tests.benchmarks.products --rows N --json FILE`: the product table, exported.

A real PostgreSQL with N products, and the same table taken out in two ways: by us, to CSV and Parquet, and as the
specification does it, by `pandas.read_sql` and `to_csv`, to CSV alone. Each way runs in a process of its own.
"""

from __future__ import annotations

import argparse
import filecmp
import multiprocessing
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import psutil

from coupang_assets.products.export import CSV_NAME, PARQUET_NAME, export_products
from coupang_assets.sample import SampleSource
from coupang_assets.sample.product_source import EmbeddedSource
from coupang_assets.settings import ProductsSettings
from coupang_assets_tests.benchmarks.figures import Figure, report

_MIB = 2**20
_SPEEDUP = 5.0
_FLAT = 1.15
_CHANGED = 1_000


@dataclass(frozen=True)
class Measured:
    """Wall time of a call and its process' peak memory."""

    seconds: float
    peak_bytes: int


def products_source(folder: Path, rows: int) -> EmbeddedSource:
    """The table of `rows` products, in a schema of its own on the folder's one server."""
    settings = ProductsSettings(schema_name=f"rows_{rows}")
    return EmbeddedSource(folder / "postgres", settings, SampleSource(folder / "sample"), rows, seed=300)


def export_by_us(folder: Path, rows: int, out: Path, before: Path | None) -> None:
    out.mkdir(exist_ok=True)
    export_products(products_source(folder, rows), ProductsSettings(schema_name=f"rows_{rows}"), out, before)


def export_by_pandas(folder: Path, rows: int, out: Path) -> None:
    import pandas as pd

    warnings.simplefilter("ignore", UserWarning)  # pandas recommends SQLAlchemy.
    out.mkdir(exist_ok=True)
    with products_source(folder, rows).connect() as connection:
        frame = pd.read_sql(f"SELECT * FROM rows_{rows}.products", connection)  # type: ignore[call-overload]
        frame.to_csv(out / CSV_NAME, index=False, encoding="utf-8-sig")


def exports(sizes: Sequence[int], folder: Path) -> Iterator[Figure]:
    """Time and memory of both ways; memory for each size."""
    peaks = []
    for rows in sizes:
        with products_source(folder, rows).connect() as connection:
            # Both ways find the table in the same caches.
            connection.execute(f"SELECT count(products::text) FROM rows_{rows}.products".encode())
            ours = _measured(export_by_us, folder, rows, folder / f"ours_{rows}", None)
        peaks.append(ours.peak_bytes)
        yield Figure(
            f"peak memory, {rows:,} products", round(ours.peak_bytes / _MIB, 1), "MiB", "", None,
            "VmHWM of the exporting process, the interpreter and its libraries included",
        )  # fmt: skip
    growth = peaks[-1] / peaks[0]
    yield Figure(
        f"memory at {sizes[-1]:,} products against {sizes[0]:,}", round(growth, 3), "times", f"≤ {_FLAT}",
        growth <= _FLAT, "flat: what the export keeps does not grow with the table",
    )  # fmt: skip
    with products_source(folder, rows).connect():
        pandas = _measured(export_by_pandas, folder, rows, folder / "pandas")
    size = (folder / f"ours_{rows}" / CSV_NAME).stat().st_size
    load = f"on {psutil.cpu_count()} cores shared with the server, load {psutil.getloadavg()[0]:.1f}"
    yield Figure(
        f"export of {rows:,} products", round(ours.seconds, 2), "s", "", None,
        f"CSV of {size / _MIB:,.0f} MiB and Parquet, {rows / ours.seconds:,.0f} rows/s, {load}",
    )  # fmt: skip
    yield Figure("pandas.read_sql + to_csv", round(pandas.seconds, 2), "s", "", None, f"CSV alone, {load}")
    yield Figure("its peak memory", round(pandas.peak_bytes / _MIB, 1), "MiB", "", None, "VmHWM of its process")
    speedup = pandas.seconds / ours.seconds
    yield Figure(
        "export against pandas.read_sql + to_csv", round(speedup, 2), "times", f"≥ {_SPEEDUP:.0f}",
        speedup >= _SPEEDUP, "the same table on the same server in the same call; ours writes Parquet too",
    )  # fmt: skip
    yield _agreement(folder / f"ours_{rows}" / CSV_NAME, folder / "pandas" / CSV_NAME)


def incremental(rows: int, folder: Path) -> Iterator[Figure]:
    """An export after a few changes, against reading the whole table again."""
    before, after, whole = (folder / name for name in (f"ours_{rows}", "after", "whole"))
    step = max(1, rows // _CHANGED)
    with products_source(folder, rows).connect() as connection:
        connection.execute(
            f"UPDATE rows_{rows}.products SET price = 1, modified_at = now() WHERE id % {step} = 0".encode()
        )
        connection.execute(f"DELETE FROM rows_{rows}.products WHERE id % {step} = 1".encode())
        changes = _measured(export_by_us, folder, rows, after, before)
        again = _measured(export_by_us, folder, rows, whole, None)
    same = all(filecmp.cmp(after / name, whole / name, shallow=False) for name in (CSV_NAME, PARQUET_NAME))
    yield Figure(
        "incremental export after 0.2 % of the rows changed or went", round(changes.seconds, 2), "s", "", None,
        f"the whole table takes {again.seconds:.2f} s",
    )  # fmt: skip
    yield Figure(
        "its files are those of a whole export", "same bytes" if same else "other bytes", "", "same bytes", same,
        "CSV and Parquet compared",
    )  # fmt: skip


def _agreement(ours: Path, theirs: Path) -> Figure:
    """Rows that differ between the two CSV files once their values are read as numbers, moments and texts."""
    connection = duckdb.connect(config={"memory_limit": "2GB", "threads": 2})
    connection.execute("SET TimeZone = 'UTC'")
    types = {"price": "DOUBLE", "lowest_price": "DOUBLE", "rating": "DOUBLE", "release_month": "VARCHAR",
             "on_sale": "BOOLEAN"}  # fmt: skip
    types |= dict.fromkeys(("crawled_at", "created_at", "modified_at"), "TIMESTAMPTZ")
    read = f"SELECT hash(COLUMNS(*)::VARCHAR) FROM read_csv(?, header = true, types = {types!r})"
    (differing,) = connection.execute(
        f"SELECT count(*) FROM ({read} EXCEPT ALL {read})", [str(ours), str(theirs)]
    ).fetchone() or (0,)
    return Figure("rows with other values than pandas'", differing, "rows", "0", differing == 0, "compared by value")


def _measured(call: Callable[..., None], *arguments: Any) -> Measured:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_timed, call, *arguments).result()


def _timed(call: Callable[..., None], *arguments: Any) -> Measured:
    started = time.monotonic()
    call(*arguments)
    seconds = time.monotonic() - started
    status = Path("/proc/self/status").read_text()
    (peak,) = (int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))
    return Measured(seconds, peak)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and report; 0 when every promise is kept."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m coupang_assets_tests.benchmarks.products")
    parser.add_argument("--rows", type=int, default=1_000_000, help="products of the large table")
    parser.add_argument("--json", type=Path, help="write the figures there")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="products-benchmark-") as name:
        folder = Path(name)
        figures = [
            *exports((max(1, options.rows // 10), options.rows), folder),
            *incremental(options.rows, folder),
        ]
    return 0 if report(f"Products: {options.rows:,} rows", figures, options.json) else 1


if __name__ == "__main__":
    sys.exit(main())
