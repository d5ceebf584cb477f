"""``coupang-assets refresh``: make what is stale of a month, or of several, and nothing else."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from uuid import uuid4

from rich.console import Console
from rich.table import Table
from rich.text import Text

from coupang_assets.commands.instance import existing_instance, open_instance
from coupang_assets.commands.run import RunProgress, StepProgress, live_progress
from coupang_assets.commands.status import WIDE, open_records, print_reasons, print_statuses
from coupang_assets.definitions import MONTH_JOB, build_defs
from coupang_assets.errors import CoupangAssetsError
from coupang_assets.months import work_month
from coupang_assets.refresh.execution import DagsterMake
from coupang_assets.refresh.graph import Graph
from coupang_assets.refresh.loop import Outcome, Step, months_to_refresh, refresh
from coupang_assets.refresh.plan import State, plan
from coupang_assets.refresh.records import DiskRecords
from coupang_assets.settings import Settings
from coupang_assets.storage.layout import Layout
from coupang_assets.storage.run_lock import end_killed_runs, month_lock

_STYLES = {
    Outcome.CHANGED: "green",
    Outcome.UNCHANGED: "green",
    Outcome.CUT_OFF: "dim",
    Outcome.LEFT_OUT: "yellow",
}


def refresh_months(
    settings: Settings, month: str, through: str | None, dry_run: bool, discard_edits: bool, console: Console
) -> bool:
    """Make what is stale, in order, and show what was made, what turned out not to be needed, and why.

    Args:
        through: last month; those between that were never begun stay so. None: ``month`` alone.
        dry_run: show the plan and run nothing.
        discard_edits: make again what a person has edited or restored.

    Returns:
        Whether everything that was stale could be made, and every check passed.

    Raises:
        CoupangAssetsError: a month does not hold, or another run is at work on it.
        KeyboardInterrupt: it was stopped by hand.
    """
    first = work_month(month, settings.first_month)
    last = work_month(through, settings.first_month) if through else first
    if last < first:
        raise CoupangAssetsError(f"--through {last} is before {first}", "give the later month there")
    defs = build_defs(settings)
    graph = Graph.of(defs)
    layout = Layout(settings)
    months = months_to_refresh(DiskRecords(layout), first, last)
    for one in months:
        layout.require_our_folder(one)
    instance = existing_instance(settings) if dry_run else open_instance(settings)
    with open_records(settings, months, instance) as records:
        if dry_run:
            _show_plan(graph, records, months, console)
            return True
        assert instance is not None
        end_killed_runs(instance, settings.root)

        def watched(month: str, name: str, run_id: str) -> AbstractContextManager[None]:
            return live_progress(RunProgress({name: StepProgress()}, console, month), instance, run_id, console)

        def held(month: str) -> AbstractContextManager[None]:
            return month_lock(settings.root, month, str(uuid4()))

        make = DagsterMake(graph, defs.resolve_job_def(MONTH_JOB), instance, watched)
        steps = refresh(graph, records, months, make, held, discard_edits)
    return _report(steps, months, console)


def _show_plan(graph: Graph, records: DiskRecords, months: Sequence[str], console: Console) -> None:
    statuses = [status for status in plan(graph, records, months).values() if status.month in months]
    for month in months:
        stale = [status for status in statuses if status.month == month and status.state is not State.FRESH]
        if stale:
            print_statuses(f"Would be refreshed of {month}", stale, console)
    run = sum(status.must_run for status in statuses)
    waiting = sum(bool(status.waiting_for) and not status.must_run for status in statuses)
    console.print(f"{run} would be made; {waiting} more only if something before them comes out different.")


def _report(steps: Sequence[Step], months: Sequence[str], console: Console) -> bool:
    table = Table(title="Refresh", title_justify="left")
    columns, wide = ["month", "dataset", "outcome", "rows"], console.width >= WIDE
    for name in [*columns, "why"] if wide else columns:
        table.add_column(name, justify="right" if name == "rows" else "left", overflow="fold")
    for step in steps:
        rows = "" if step.rows is None else f"{step.rows:,}"
        outcome = Text(step.outcome, _STYLES.get(step.outcome, "bold red"))
        cells = [Text(step.month), Text(step.name), outcome, Text(rows)]
        table.add_row(*cells, Text(step.why)) if wide else table.add_row(*cells)
    if steps:
        console.print(table)
        if not wide:
            print_reasons(((f"{step.month} {step.name}", step.why) for step in steps), console)
    for step in steps:
        for warning in step.made.warnings if step.made else ():
            console.print(Text(f"{step.month} {step.name}: {warning}", "red"))
    if any(not step.good for step in steps):
        console.print(
            "[red]Not everything is fresh.[/red] "
            "What was good before is untouched; correct the above and refresh again."
        )
        return False
    made = sum(step.made is not None for step in steps)
    what = "nothing was stale, nothing was run" if not made else f"{made} made, all else was fresh already"
    console.print(f"[green]{' to '.join(sorted({months[0], months[-1]}))} is fresh:[/green] {what}.")
    return True
