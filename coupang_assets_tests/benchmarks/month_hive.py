"""The month benchmark against a real Hive, a Spark Thrift Server, and with Spark as the engine.

Belongs here: those figures. Does not: the server (`warehouse/spark_server.py`).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from coupang_assets.warehouse.hive_session import HiveSession
from coupang_assets_tests.benchmarks.figures import Figure
from coupang_assets_tests.benchmarks.month_data import TABLE, sampled_days
from coupang_assets_tests.benchmarks.month_measured import Month
from coupang_assets_tests.benchmarks.month_ours import ALL, STEP_1, digests, month_folder, same_rows
from coupang_assets_tests.benchmarks.parts import PartFailedError, run_part
from coupang_assets_tests.warehouse.event_table import create_table
from coupang_assets_tests.warehouse.spark_server import spark_server

_CURSOR = "coupang_assets_tests.benchmarks.month_baselines:cursor_to_csv"
_FINGERPRINT = "coupang_assets_tests.benchmarks.month_ours:fingerprint"
_SPARK_ROWS_A_DAY = 50_000
_SPARK_FILES = ("raw/*.csv", "define/*.csv", "new_unique.csv", "coupang_train_*.csv", "category_merge.csv")


def figures(month: Month) -> Iterator[Figure]:
    """Step 1 out of Hive, from its files and over the wire, against PyHive's cursor."""
    options = month.options
    if reason := _no_java():
        yield _not_measured("step 1, ORC files, against PyHive's cursor", "times the rows/s", "≥ 30", reason)
        yield _not_measured("step 1, over the wire, against PyHive's cursor", "times the rows/s", "≥ 5", reason)
        return
    data = month.data("main", options.rows_per_day, options.days)
    month.say("starting a Spark Thrift Server as Hive")
    with spark_server(month.folder / "hive") as server:
        session = HiveSession(server.settings())
        create_table(session, data / "warehouse" / TABLE)
        session.close()
        day = f"{sampled_days(1)[0]:%Y%m%d}"
        out = str(month.folder / "cursor.csv")
        cursor = run_part(_CURSOR, port=server.port, table=TABLE, day=day, rows=options.baseline_rows, out=out)
        slow = month.measured("step 1", "PyHive cursor, pandas, to_csv", cursor.seconds, cursor.result["rows"], cursor)
        warehouse = server.settings().model_dump(mode="json", exclude_none=True)
        root = str(month.folder / "fingerprint")
        hashed = run_part(_FINGERPRINT, root=root, warehouse=warehouse, days=options.days)
        found: dict[str, dict[str, str]] = {}
        for way, target in (("orc", 30), ("wire", 5)):
            root = month.folder / f"hive-{way}"
            warehouse = server.settings(read_events=way).model_dump(mode="json", exclude_none=True)
            part = month.assets(root, warehouse, options.days, STEP_1)
            name = part.result["read_by"]
            rate = month.measured(
                "step 1", f"ours, Hive, {name}", part.result["seconds"][STEP_1[0]], part.result["rows"], part
            )
            if way == "orc":
                month.measured(
                    "step 1", "of it Hive's own hashing of the days", hashed.seconds, part.result["rows"], hashed
                )
            found[way] = digests(month_folder(root), "raw/*.csv")
            shutil.rmtree(root)
            yield Figure(
                f"step 1, {name}, against PyHive's cursor", round(rate / slow, 1), "times the rows/s", f"≥ {target}",
                rate >= target * slow, f"the asset with all it does, Hive's fingerprint of the days among it; the "
                f"cursor on its first {cursor.result['rows']:,} rows, timed from its first row",
            )  # fmt: skip
    same = found["orc"] == found["wire"]
    yield Figure("same bytes from files and wire", "yes" if same else "no", "", "yes", same, "SHA-256 of every raw day")


def spark(month: Month) -> Iterator[Figure]:
    """The same month with Spark as the engine: the same rows in every file."""
    what, unit = "month on Spark against the same on DuckDB", "files with other rows"
    if reason := _no_java():
        yield _not_measured(what, unit, "0", reason)
        return
    days = min(month.options.days, 2)
    data = month.data("engines", min(month.options.rows_per_day, _SPARK_ROWS_A_DAY), days)
    warehouse = {"folder": str(data / "warehouse")}
    duck, sparks = month.folder / "on-duckdb", month.folder / "on-spark"
    month.say("a month on DuckDB, then on Spark")
    first = month.assets(duck, warehouse, days, ALL)
    try:
        second = month.assets(sparks, warehouse, days, ALL, engine={"kind": "spark"})
    except PartFailedError as error:
        yield _not_measured(what, unit, "0", f"Spark as the engine is not available: {str(error).splitlines()[-1]}")
        return
    rows = first.result["rows"]
    for way, part in (("DuckDB", first), ("Spark", second)):
        month.measured("steps 1 to 4, training set", f"ours on {way}", sum(part.result["seconds"].values()), rows, part)
    pairs = [
        (path, month_folder(sparks) / path.relative_to(month_folder(duck)))
        for pattern in _SPARK_FILES
        for path in sorted(month_folder(duck).glob(pattern))
    ]
    differing = [ours.name for ours, theirs in pairs if not same_rows(ours, theirs)]
    how = f"{len(pairs)} files, {rows:,} raw rows" + (f"; differ: {', '.join(differing[:5])}" if differing else "")
    yield Figure(what, len(differing), unit, "0", not differing, how)


def _no_java() -> str:
    if "JAVA_HOME" not in os.environ and shutil.which("java") is None:
        return "Java 17, which Spark runs on, is not here"
    try:
        import pyspark
    except ImportError:
        return "pyspark is not installed: pip install coupang-assets[spark]"
    return "" if Path(pyspark.__file__).exists() else "pyspark is not whole"


def _not_measured(figure: str, unit: str, target: str, reason: str) -> Figure:
    return Figure(figure, "not measured", unit, target, False, reason)
