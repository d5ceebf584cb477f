"""The month benchmark's own side: datasets made by the real assets, each timed with its reading, writing and hashing.

Belongs here: running the graph. Does not: the ways it is compared with (`month_baselines.py`).
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from coupang_assets.assets.sources import month_fingerprint
from coupang_assets.definitions import MONTH_JOB, build_defs, build_resources
from coupang_assets.settings import Settings
from coupang_assets_tests.benchmarks.month_data import MONTH

STEP_1 = ("raw_dailies",)
STEP_2 = ("new_unique", "updated_unique", "diff_data")
STEP_4 = ("category_merge", "cate_dictionary", "define_dailies")
TRAINING_SET = ("coupang_train",)
STEP_3 = ("crawl_candidates", "crawl_journal", "coupang_cate_all")
ALL = (*STEP_1, *STEP_2, *STEP_3, *STEP_4, *TRAINING_SET)


def run_assets(root: str, warehouse: Mapping[str, Any], days: int, datasets: list[str], **settings: Any) -> dict:
    """Materialize datasets of the month.

    Returns:
        ``seconds`` by dataset, ``rows`` of the raw days and ``read_by``.
    """
    chosen = Settings(
        _env_file=None,
        root=Path(root),
        warehouse=dict(warehouse),
        sampling={"days": days},
        sample={"enabled": False},
        **settings,
    )
    job = build_defs(chosen).resolve_job_def(MONTH_JOB)
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            partition_key=MONTH,
            instance=instance,
            asset_selection=[dg.AssetKey(name) for name in datasets],
            raise_on_error=True,
        )
        records = instance.get_records_for_run(result.run_id).records
    moments: dict[str, dict[Any, float]] = {}
    for entry in (record.event_log_entry for record in records):
        if entry.step_key in datasets and entry.dagster_event is not None:
            moments.setdefault(entry.step_key, {})[entry.dagster_event.event_type] = entry.timestamp
    seconds = {
        name: its[dg.DagsterEventType.STEP_SUCCESS] - its[dg.DagsterEventType.STEP_START]
        for name, its in moments.items()
    }
    found: dict[str, Any] = {"seconds": seconds}
    for event in result.get_asset_materialization_events():
        if event.asset_key == dg.AssetKey("raw_dailies"):
            metadata = event.materialization.metadata
            found |= {"rows": metadata["dagster/row_count"].value, "read_by": metadata["read by"].value}
    return found


def fingerprint(root: str, warehouse: Mapping[str, Any], days: int) -> dict:
    """Hive's part of step 1 alone: the hash of the sampled days by which a change of the source is seen."""
    settings = Settings(_env_file=None, root=Path(root), warehouse=dict(warehouse), sampling={"days": days})
    resources = build_resources(settings)
    started = time.perf_counter()
    month_fingerprint(resources["warehouse"], resources["layout"], MONTH)
    return {"seconds": time.perf_counter() - started}


def month_folder(root: Path) -> Path:
    return root / "data" / MONTH


def digests(folder: Path, pattern: str) -> dict[str, str]:
    """SHA-256 of files, by name."""
    found = {}
    for path in sorted(folder.glob(pattern)):
        with path.open("rb") as file:
            found[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def same_rows(one: Path, other: Path) -> bool:
    """Whether two CSV files, or a file and a folder of part files, hold the same rows, each as often."""
    import duckdb

    def rows(path: Path) -> str:
        files = str(path / "*.csv") if path.is_dir() else str(path)
        return f"(SELECT *, count(*) FROM read_csv('{files}', header = true, all_varchar = true) GROUP BY ALL)"

    if not other.exists():
        return False
    only_one, only_other = (f"FROM {rows(a)} EXCEPT FROM {rows(b)}" for a, b in ((one, other), (other, one)))
    query = f"SELECT count(*) FROM (({only_one}) UNION ALL ({only_other}))"
    found = duckdb.sql(query).fetchone()
    return found == (0,)
