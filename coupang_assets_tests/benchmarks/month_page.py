"""`python -m coupang_assets_tests.benchmarks.month_page FIGURES.json PAGE.md`: the docs page of the month benchmark.

Belongs here: the page and its plot, from the benchmark's JSON alone. Does not: measuring.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

_GROWTH = re.compile(r"(time|peak memory) at ([\d,]+) rows")
_TEXT = """# How fast a month is, and how large

{title}. {machine}

The benchmark makes its own events, runs the steps through the real assets (each with reading, cleaning, sorting,
writing, hashing, fsync and its record) and, on the same data, the ways they replace. Hive is a Spark Thrift Server.
Every part is a process of its own; memory is that of its whole process tree.

## What is promised

{promised}

A ratio of times compares wall clocks, one of rates rows a second. DuckDB "by hand" is one script of SQL that gives the
same bytes, without manifests, checks or metadata.

What step 1 has to do beside reading and writing: it sorts each day, for files, wire and cursor to give the same bytes.
Over the wire it is the server that is slow, which makes every row; here it shares the processors with its client.

## What was measured

{measured}

## How cost grows

{growth}

![Time and peak memory by rows]({plot})

DuckDB keeps to `COUPANG_ENGINE__MEMORY_LIMIT` and spills to `<root>/.spill` beyond it; the rest is
Python, Arrow's buffers and Dagster.

## Again

```sh
python -m coupang_assets_tests.benchmarks.month --rows-per-day 1000000 --json figures.json --page {page}
python -m coupang_assets_tests.benchmarks.month --help           # parts, shares of distinct rows, sizes
python -m coupang_assets_tests.benchmarks.month_page figures.json {page}   # this page from figures
```
"""


def write_page(page: Path, title: str, figures: Sequence[Mapping[str, Any]]) -> None:
    """Write the page, and its plot beside it."""
    growth = _growth(figures)
    plot = page.with_name("benchmark_month_growth.png")
    promised = [figure for figure in figures if figure["target"]]
    measured = [figure for figure in figures if not figure["target"] and figure["unit"] == "rows/s"]
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(
        _TEXT.format(
            title=title,
            machine=_machine(),
            promised=_table(
                ("figure", "value", "target", "kept", "how"),
                [
                    (
                        f["figure"],
                        f"{_number(f['value'])} {f['unit']}",
                        f["target"],
                        "yes" if f["ok"] else "**no**",
                        f["how"],
                    )
                    for f in promised
                ],
            ),
            measured=_table(
                ("what", "rows/s", "how"), [(f["figure"], _number(f["value"]), f["how"]) for f in measured]
            ),
            growth=_table(
                ("rows", "seconds", "peak memory, GiB"),
                [(f"{rows:,}", _number(its["time"]), _number(its["peak memory"])) for rows, its in growth.items()],
            ),
            plot=plot.name,
            page=f"coupang_assets/docs/{page.name}",
        ),
        encoding="utf-8",
    )
    if growth:
        _plot(growth, plot)


def _growth(figures: Sequence[Mapping[str, Any]]) -> dict[int, dict[str, float]]:
    found: dict[int, dict[str, float]] = {}
    for figure in figures:
        if match := _GROWTH.fullmatch(figure["figure"]):
            found.setdefault(int(match[2].replace(",", "")), {})[match[1]] = figure["value"]
    return dict(sorted(found.items()))


def _machine() -> str:
    model = next(
        (line.partition(":")[2].strip() for line in _lines(Path("/proc/cpuinfo")) if line.startswith("model name")),
        platform.processor(),
    )
    memory = psutil.virtual_memory().total / 2**30
    return f"{psutil.cpu_count()} cores ({model}), {memory:.0f} GiB of memory, Python {platform.python_version()}."


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def _number(value: float | int | str) -> str:
    return value if isinstance(value, str) else f"{value:,}"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _plot(growth: Mapping[int, Mapping[str, float]], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    millions = [rows / 1e6 for rows in growth]
    figure, axes = pyplot.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
    for axis, name, unit in zip(axes, ("time", "peak memory"), ("s", "GiB"), strict=True):
        axis.plot(millions, [its[name] for its in growth.values()], marker="o", color="#2f5d8a")
        axis.set(xlabel="million rows a month", ylabel=f"{name}, {unit}", ylim=(0, None), xlim=(0, None))
        axis.grid(alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
    axes[1].axhline(2, linestyle="--", color="#b04a3a", linewidth=1)
    figure.savefig(path, dpi=110, metadata={"Software": None})
    pyplot.close(figure)


def main() -> None:
    """Write the page from figures that were measured before."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m coupang_assets_tests.benchmarks.month_page")
    parser.add_argument("figures", type=Path, help="JSON of the benchmark")
    parser.add_argument("page", type=Path, help="page to write")
    options = parser.parse_args()
    write_page(options.page, "From the figures in " + options.figures.name, json.loads(options.figures.read_text()))


if __name__ == "__main__":
    sys.exit(main())
