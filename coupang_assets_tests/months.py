"""Running small work months of the real graph in this process, and looking at what they leave."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from coupang_assets.definitions import MONTH_JOB, build_defs
from coupang_assets.settings import Settings

SMALL: dict[str, Any] = {
    "sampling": {"days": 2},
    "sample": {"events_per_day": 150},
    "engine": {"threads": 2},
    # Of so few titles nothing can be demanded.
    "champion": {"minimum_accuracy": 0, "minimum_category_accuracy": 0, "minimum_titles_per_second": 0},
}
"""Settings of a month that takes seconds."""

SMALL_ENV = {
    f"COUPANG_{group}__{name}".upper(): str(value) for group, named in SMALL.items() for name, value in named.items()
}
"""The same from the environment."""


def small_settings(root: Path, **changes: Any) -> Settings:
    return Settings(_env_file=None, **{"root": root, **SMALL} | changes)


def run_month(
    settings: Settings,
    month: str,
    select: list[str] | None = None,
    base: str | None = None,
    resources: Mapping[str, Any] | None = None,
    instance: dg.DagsterInstance | None = None,
) -> dg.ExecuteInProcessResult:
    """Materialize a month, or some datasets of it; never raises for what fails in it."""
    config: dict[str, Any] = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    if base:
        config["resources"] = {"base_month": {"config": {"month": base}}}
    job = build_defs(settings, resources).resolve_job_def(MONTH_JOB)
    return job.execute_in_process(
        run_config=config,
        partition_key=month,
        instance=instance,
        raise_on_error=False,
        asset_selection=[dg.AssetKey(name) for name in select] if select else None,
    )


def failures(result: dg.ExecuteInProcessResult) -> dict[str, str]:
    """What the user is told of each failed step."""
    told = {}
    for event in result.all_events:
        if event.is_step_failure:
            data = event.step_failure_data
            described = data.user_failure_data.description if data.user_failure_data else None
            told[event.step_key or ""] = described or str(data.error)
    return told


def failed_checks(result: dg.ExecuteInProcessResult) -> list[str]:
    return [check.check_name for check in result.get_asset_check_evaluations() if not check.passed]


def made(result: dg.ExecuteInProcessResult) -> set[str]:
    """Names of the datasets a run materialized."""
    return {event.asset_key.to_user_string() for event in result.get_asset_materialization_events() if event.asset_key}


def metadata(result: dg.ExecuteInProcessResult, name: str) -> dict[str, Any]:
    (event,) = [e for e in result.get_asset_materialization_events() if e.asset_key == dg.AssetKey(name)]
    return dict(event.materialization.metadata)


def files(root: Path) -> dict[str, str]:
    """SHA-256 of every file of the specification and of the dictionary table, by path; the crawl's journal apart."""
    found = [*(root / "data").rglob("*"), *(root / "warehouse").glob("rt_category_info_coupang/*/*")]
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(found)
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(root).parts)
        if path.name != "journal.jsonl"
    }
