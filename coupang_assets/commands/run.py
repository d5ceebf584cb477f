"""``coupang-assets run``: materialize a month with live progress and a closing table."""

import re
import threading
from collections.abc import Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import dagster as dg
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from coupang_assets.commands.instance import open_instance
from coupang_assets.datasets import DATASETS
from coupang_assets.definitions import MONTH_JOB, build_defs
from coupang_assets.errors import CoupangAssetsError
from coupang_assets.months import work_month
from coupang_assets.refresh.execution import QUIET, explanation, was_interrupted
from coupang_assets.settings import Settings
from coupang_assets.storage.layout import Layout
from coupang_assets.storage.run_lock import RUN_TAG, end_killed_runs, month_lock

_POLL_SECONDS = 0.25
_BARE_NAME = re.compile(rf"(?<![\w:\"])({'|'.join(DATASETS)})(?![\w\"])")
_SELECTION = (
    "name a dataset; 'diff_data+' is it and all that follows, '+cate_dictionary' it and all before it; several are "
    f"joined by the word or: 'new_unique or updated_unique'. Datasets are {', '.join(DATASETS)}"
)
_STATES = {
    dg.DagsterEventType.STEP_START: "running",
    dg.DagsterEventType.STEP_UP_FOR_RETRY: "waiting to retry",
    dg.DagsterEventType.STEP_RESTARTED: "running again",
    dg.DagsterEventType.STEP_SUCCESS: "done",
    dg.DagsterEventType.STEP_FAILURE: "failed",
    dg.DagsterEventType.STEP_SKIPPED: "skipped",
}
_STYLES = {"done": "green", "failed": "bold red", "skipped": "yellow", "waiting to retry": "yellow"}


@dataclass
class StepProgress:
    """One step of a run."""

    state: str = "waiting"
    message: str = ""
    started: float = 0.0
    ended: float = 0.0


@dataclass
class RunProgress:
    """What the run's event log says, step by step."""

    steps: dict[str, StepProgress]
    console: Console
    title: str = ""
    cursor: str | None = None

    def read(self, instance: dg.DagsterInstance, run_id: str) -> None:
        records = instance.get_records_for_run(run_id, cursor=self.cursor)
        self.cursor = records.cursor
        for record in records.records:
            entry = record.event_log_entry
            if entry.step_key in self.steps:
                self._read_entry(self.steps[entry.step_key], entry)

    def _read_entry(self, step: StepProgress, entry: Any) -> None:
        event = entry.dagster_event
        if event is None:
            step.message = entry.user_message
        elif event.event_type in _STATES:
            step.state = _STATES[event.event_type]
            if event.event_type is dg.DagsterEventType.STEP_START:
                step.started = entry.timestamp
            if step.state in ("done", "failed"):
                step.ended = entry.timestamp
        worth_a_line = step.state.startswith("running") if event is None else event.event_type in _STATES
        if not self.console.is_terminal and worth_a_line:
            line = f"{entry.step_key}: {step.message if event is None else step.state}"
            self.console.print(f"{self.title} {line}" if self.title else line, highlight=False)

    def __rich__(self) -> Table:
        table = Table.grid(padding=(0, 2))
        for name, step in self.steps.items():
            mark: Any = (
                Spinner("dots")
                if step.state.startswith("running")
                else Text(step.state, _STYLES.get(step.state, "dim"))
            )
            took = f"{step.ended - step.started:.1f} s" if step.ended else ""
            message = step.message if step.state != "done" else ""
            table.add_row(
                Text(f"{self.title} {name}" if self.title else name),
                mark,
                Text(took, "dim"),
                Text(message, "dim", overflow="ellipsis", no_wrap=True),
            )
        return table


def run_month(
    settings: Settings, month: str, select: str | None, base: str | None, console: Console, job_name: str = MONTH_JOB
) -> bool:
    """Materialize a month's datasets in dependency order.

    Args:
        select: selection of datasets in the UI's syntax (``diff_data+``); None: all.
        base: base month; None: the latest earlier one with a dictionary.
        job_name: whose datasets; those of the month, or some made on request.

    Returns:
        Whether everything was made and every check passed.

    Raises:
        CoupangAssetsError: the month, the base month or the selection does not hold, or another run is at work on it.
        KeyboardInterrupt: it was stopped by hand.
    """
    key = work_month(month, settings.first_month)
    if base is not None:
        Layout(settings).base_month(key, base)
    instance = open_instance(settings)
    defs = build_defs(settings)
    job = defs.resolve_job_def(job_name)
    keys = _selected(job, select)
    plan = dg.AssetSelection.assets(*keys)
    steps = _steps_in_order(defs, plan)
    progress = RunProgress({name: StepProgress() for name in steps}, console)
    run_id = str(uuid4())
    config = QUIET if base is None else QUIET | {"resources": {"base_month": {"config": {"month": base}}}}
    console.print(f"Work month [bold]{key}[/bold] under {escape(str(settings.root))}")
    end_killed_runs(instance, settings.root)
    with month_lock(settings.root, key, run_id), live_progress(progress, instance, run_id, console):
        result = job.execute_in_process(
            run_config=config,
            instance=instance,
            tags={RUN_TAG: key},
            partition_key=key,
            raise_on_error=False,
            asset_selection=list(keys) if select else None,
            run_id=run_id,
        )
    if was_interrupted(result):
        raise KeyboardInterrupt
    checks = result.get_asset_check_evaluations()
    for table in (_files_table(result, settings.root), _checks_table(checks)):
        if table.row_count:
            console.print(table)
    # A failed check stands in the table, with what it found.
    in_table = {f"{check.asset_key.to_python_identifier()}_{check.check_name}" for check in checks}
    for event in result.all_events:
        if event.is_step_failure and event.step_key not in in_table:
            console.print(Text(f"{event.step_key} failed: {explanation(event)}", "red"))
    failed_checks = [
        evaluation
        for evaluation in checks
        if not evaluation.passed and evaluation.severity is dg.AssetCheckSeverity.ERROR
    ]
    if result.success and not failed_checks:
        console.print(f"[green]{key} is done.[/green] Look at it with: coupang-assets ui")
        return True
    console.print(
        "[red]Not everything is done.[/red] What was good before is untouched; correct the above and run again."
    )
    return False


def _selected(job: dg.JobDefinition, select: str | None) -> Set[dg.AssetKey]:
    graph = job.asset_layer.asset_graph
    known = set(graph.materializable_asset_keys)
    if select is None:
        return known
    try:
        # The UI's selection syntax, in which a dataset's name alone is enough.
        chosen = dg.AssetSelection.from_string(_BARE_NAME.sub(r'key:"\1"', select)).resolve(graph) & known
    except Exception:  # Dagster's parser raises its own kinds, and says what it lacks in terms of its grammar.
        raise CoupangAssetsError(f"--select {select!r} is no selection of datasets", _SELECTION) from None
    if not chosen:
        raise CoupangAssetsError(f"--select {select!r} selects nothing", _SELECTION)
    return chosen


def _steps_in_order(defs: dg.Definitions, selection: dg.AssetSelection) -> list[str]:
    graph = defs.resolve_asset_graph()
    keys = selection.resolve(graph)
    return [
        key.to_python_identifier()
        for level in graph.toposorted_asset_keys_by_level
        for key in sorted(level)
        if key in keys
    ]


@contextmanager
def live_progress(progress: RunProgress, instance: dg.DagsterInstance, run_id: str, console: Console) -> Iterator[None]:
    """Show the run's progress while the block executes it."""
    ended = threading.Event()

    def follow() -> None:
        while not ended.wait(_POLL_SECONDS):
            progress.read(instance, run_id)

    reader = threading.Thread(target=follow, daemon=True)
    with Live(progress, console=console, refresh_per_second=4, transient=False) if console.is_terminal else _nothing():
        reader.start()
        try:
            yield
        finally:
            ended.set()
            reader.join()
            progress.read(instance, run_id)


@contextmanager
def _nothing() -> Iterator[None]:
    yield


def _files_table(result: dg.ExecuteInProcessResult, root: Path) -> Table:
    table = Table(title="Datasets", title_justify="left")
    table.add_column("dataset")
    table.add_column("where", overflow="fold")
    table.add_column("rows", justify="right")
    table.add_column("size", justify="right")
    for event in result.get_asset_materialization_events():
        metadata = event.materialization.metadata
        rows, size = metadata.get("dagster/row_count"), metadata.get("bytes")
        where = metadata.get("path") or metadata.get("partition")
        table.add_row(
            event.materialization.asset_key.to_user_string(),
            Text(str(where.value).removeprefix(f"{root}/") if where else ""),
            f"{rows.value:,}" if rows else "",
            _size(int(str(size.value))) if size else "",
        )
    return table


def _checks_table(checks: Sequence[dg.AssetCheckEvaluation]) -> Table:
    table = Table(title="Checks", title_justify="left")
    table.add_column("dataset")
    table.add_column("check and what it found", overflow="fold")
    table.add_column("")
    for check in checks:
        failed = Text("FAILED", "bold red") if check.severity is dg.AssetCheckSeverity.ERROR else Text("look", "yellow")
        passed = Text("passed", "green") if check.passed else failed
        found = f"{check.check_name.replace('_', ' ')}: {check.description}"
        table.add_row(check.asset_key.to_user_string(), Text(found), passed)
    return table


def _size(count: int) -> str:
    size = float(count)
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:,.0f} {unit}" if unit == "B" else f"{size:,.1f} {unit}"
        size /= 1024
    return f"{size:,.1f} GiB"
