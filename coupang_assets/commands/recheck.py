"""``coupang-assets recheck``: ask the shop again for a share of a month's known categories."""

from pathlib import Path
from uuid import uuid4

import dagster as dg
import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from coupang_assets.commands.instance import open_instance
from coupang_assets.commands.run import RunProgress, StepProgress, live_progress
from coupang_assets.datasets import CATEGORY_CODES, CATEGORY_NAMES, RECHECK
from coupang_assets.definitions import RECHECK_JOB, build_defs
from coupang_assets.errors import CoupangAssetsError
from coupang_assets.months import work_month
from coupang_assets.pipeline.recheck import FOUND_NAMES, NOT_ANSWERED, RENAMED, UNCHANGED
from coupang_assets.refresh.execution import QUIET, explanation
from coupang_assets.settings import Settings
from coupang_assets.storage.csv_tables import read_frame
from coupang_assets.storage.layout import Layout
from coupang_assets.storage.locate import locate
from coupang_assets.storage.run_lock import RUN_TAG, end_killed_runs, month_lock

_ROWS = 50


def parse_share(text: str) -> float:
    """``5%`` or ``0.05`` as a number.

    Raises:
        CoupangAssetsError: it is no share above 0 and up to 1.
    """
    try:
        share = float(text.strip().removesuffix("%")) / (100 if text.strip().endswith("%") else 1)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise CoupangAssetsError(f"--share {text!r} is no share", "give 5% or 0.05, up to 100%")
    return share


def recheck_month(settings: Settings, month: str, share: float, seed: int, apply: bool, console: Console) -> bool:
    """Materialize ``recheck`` of a month and show what it found.

    Args:
        share: of the known categories, above 0 and up to 1.
        seed: another one chooses other categories.
        apply: take the new names of renamed categories over into the month's crawl journal.

    Returns:
        Whether it was made. Differences are no failure.

    Raises:
        CoupangAssetsError: the month does not hold.
    """
    key = work_month(month, settings.first_month)
    instance = open_instance(settings)
    job = build_defs(settings).resolve_job_def(RECHECK_JOB)
    progress = RunProgress({RECHECK.name: StepProgress()}, console)
    run_id = str(uuid4())
    end_killed_runs(instance, settings.root)
    with month_lock(settings.root, key, run_id), live_progress(progress, instance, run_id, console):
        result = job.execute_in_process(
            run_config=QUIET | {"ops": {RECHECK.name: {"config": {"share": share, "seed": seed, "take_over": apply}}}},
            instance=instance,
            tags={RUN_TAG: key},
            partition_key=key,
            raise_on_error=False,
            run_id=run_id,
        )
    for event in result.all_events:
        if event.is_step_failure:
            console.print(Text(f"{event.step_key} failed: {explanation(event)}", "red"))
    if not result.success:
        return False
    path = locate(Layout(settings), RECHECK, key).paths[0]
    _show(read_frame(RECHECK, path), path, key, apply, result, console)
    return True


def _show(
    found: pd.DataFrame, path: Path, month: str, apply: bool, result: dg.ExecuteInProcessResult, console: Console
) -> None:
    counts = found["finding"].value_counts()
    console.print(
        f"{len(found)} known categories asked again: "
        + ", ".join(f"{int(counts.get(name, 0))} {name}" for name in (UNCHANGED, RENAMED, "vanished", NOT_ANSWERED))
    )
    differing = found[found["finding"] != UNCHANGED]
    if len(differing):
        console.print(_table(differing.head(_ROWS)))
    console.print(f"All of it: {path}", soft_wrap=True)
    renamed = int(counts.get(RENAMED, 0))
    if renamed and apply:
        taken = _metadata(result, "answers taken over")
        console.print(
            f"{taken} answers were taken over. Make the dictionary and what follows of them: "
            f"coupang-assets refresh {month}"
        )
    elif renamed:
        console.print("Take the new names over with --apply.")


def _metadata(result: dg.ExecuteInProcessResult, name: str) -> object:
    for event in result.asset_materializations_for_node(RECHECK.name):
        if name in event.metadata:
            return event.metadata[name].value
    return None


def _table(rows: pd.DataFrame) -> Table:
    table = Table(title="Differences", title_justify="left")
    for name in ("category", "finding", "known as", "the shop shows"):
        table.add_column(name, overflow="fold")
    for row in rows.to_dict("records"):
        found = " > ".join(row[name] for name in FOUND_NAMES if row[name])
        table.add_row(
            " ".join(row[name] or "-" for name in CATEGORY_CODES),
            row["finding"],
            " > ".join(row[name] for name in CATEGORY_NAMES if row[name]),
            found or row["reason"] or "",
        )
    return table
