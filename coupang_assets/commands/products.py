"""``coupang-assets products``: the product table exported, and its products classified, from the shell."""

from typing import Any
from uuid import uuid4

import dagster as dg
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from coupang_assets.commands.instance import open_instance
from coupang_assets.commands.run import QUIET, RunProgress, StepProgress, explanation, live_progress
from coupang_assets.datasets import PRODUCT_PREDICTIONS, PRODUCTS_ALL
from coupang_assets.definitions import CLASSIFY_JOB, EXPORT_JOB, build_defs
from coupang_assets.settings import Settings
from coupang_assets.storage.run_lock import end_killed_runs

_HIDDEN = ("dagster/", "preview")


def export_products(settings: Settings, whole: bool, console: Console) -> bool:
    """Export the product table; whether it was done.

    Args:
        whole: read the whole table, also where what has changed would do.
    """
    return _run(settings, EXPORT_JOB, PRODUCTS_ALL.name, {"whole": whole}, console)


def classify_products(settings: Settings, month: str | None, console: Console) -> bool:
    """Classify new and renamed products; whether it was done.

    Args:
        month: whose classifier is used; None: the latest month that has one.
    """
    return _run(settings, CLASSIFY_JOB, PRODUCT_PREDICTIONS.name, {"month": month} if month else {}, console)


def _run(settings: Settings, job: str, asset: str, config: dict[str, Any], console: Console) -> bool:
    instance = open_instance(settings)
    end_killed_runs(instance, settings.root)
    run_id = str(uuid4())
    progress = RunProgress({asset: StepProgress()}, console)
    with live_progress(progress, instance, run_id, console):
        result = (
            build_defs(settings)
            .resolve_job_def(job)
            .execute_in_process(
                run_config=QUIET | {"ops": {asset: {"config": config}}},
                instance=instance,
                raise_on_error=False,
                run_id=run_id,
            )
        )
    for event in result.all_events:
        if event.is_step_failure:
            console.print(Text(f"{asset} failed: {explanation(event)}", "red"))
    for materialized in result.get_asset_materialization_events():
        console.print(_facts(materialized.materialization.metadata))
    if result.success:
        console.print(f"[green]{escape(asset)} is done.[/green] Look at it with: coupang-assets ui")
    return result.success


def _facts(metadata: Any) -> Table:
    table = Table(show_header=False, box=None, padding=(0, 2))
    rows = metadata.get("dagster/row_count")
    if isinstance(rows, dg.IntMetadataValue):
        table.add_row("rows", f"{rows.value:,}")
    for name, value in metadata.items():
        if not name.startswith(_HIDDEN):
            table.add_row(name, f"{value.value:,}" if isinstance(value.value, int) else str(value.value))
    return table
