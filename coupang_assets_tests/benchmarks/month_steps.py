"""Steps 1, 2, 4 and the training set beside what they replace: bare pyarrow, pandas, DuckDB written by hand."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from coupang_assets.settings import EngineSettings
from coupang_assets_tests.benchmarks.figures import Figure
from coupang_assets_tests.benchmarks.month_data import TABLE, sampled_days
from coupang_assets_tests.benchmarks.month_measured import Month
from coupang_assets_tests.benchmarks.month_ours import ALL, STEP_1, STEP_2, STEP_4, TRAINING_SET, digests, month_folder
from coupang_assets_tests.benchmarks.parts import Part, run_part

_BASELINES = "coupang_assets_tests.benchmarks.month_baselines:"


def _embedded(folder: Path) -> dict[str, Any]:
    return {"folder": str(folder / "warehouse")}


def _seconds_of(part: Part, names: Sequence[str]) -> float:
    return sum(part.result["seconds"][name] for name in names)


def figures(month: Month) -> Iterator[Figure]:
    """Steps 1, 2, 4 and the training set against pyarrow, pandas and DuckDB by hand."""
    options = month.options
    data = month.data("main", options.rows_per_day, options.days)
    root = month.folder / "main-root"
    days = [f"{day:%Y%m%d}" for day in sampled_days(options.days)]
    month.say("steps 1 to 4 and the training set")
    ours = month.assets(root, _embedded(data), options.days, ALL)
    rows = ours.result["rows"]
    one, two_and_four = _seconds_of(ours, STEP_1), _seconds_of(ours, (*STEP_2, *STEP_4))
    month.measured("step 1", "ours, ORC files", one, rows, ours)
    month.measured("steps 2 + 4", "ours", two_and_four, rows, ours)
    month.measured("training set", "ours", _seconds_of(ours, TRAINING_SET), rows, ours)

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
            _BASELINES + "duckdb_steps", raw=raw, cate_all=str(files / "coupang_cate_all.csv"),
            memory_limit=EngineSettings().memory_limit, spill=str(Path(out) / "spill"), out=out,
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
        f"{rows:,} rows, same memory limit; its files are "
        + ("the same byte for byte" if same else "NOT the same"),
    )  # fmt: skip
