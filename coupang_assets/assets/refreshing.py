"""Looking at a month and refreshing it from the Dagster UI.

Belongs here: the jobs that do it there and what a person sees of them. Does not: the plan and the loop (``refresh``).
"""

import functools
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager

import dagster as dg
import pandas as pd
from pydantic import Field

from coupang_assets.assets.monthly import MonthlyAssets
from coupang_assets.assets.sources import ACCEPTED, EVENTS, accepted_month_version, month_fingerprint
from coupang_assets.months import work_month
from coupang_assets.refresh.execution import DagsterMake
from coupang_assets.refresh.graph import Graph
from coupang_assets.refresh.loop import Step, months_to_refresh, refresh
from coupang_assets.refresh.plan import State, Status, plan
from coupang_assets.refresh.records import DiskRecords
from coupang_assets.storage.failures import as_dagster_failures
from coupang_assets.storage.layout import Layout
from coupang_assets.storage.metadata import table_metadata
from coupang_assets.storage.run_lock import end_killed_runs, month_lock
from coupang_assets.warehouse import Warehouse

REFRESH_JOB = "refresh_month"
STATUS_JOB = "status_month"

Definitions = Callable[[], dg.Definitions]


class RefreshConfig(dg.Config):
    """Run configuration of ``refresh_month``."""

    through: str | None = Field(
        default=None,
        description="last month to refresh, YYYY_MM; months between that were never begun stay so; empty: this month",
    )
    discard_edits: bool = Field(default=False, description="make again what was edited by hand or restored")


def observed_records(
    layout: Layout,
    warehouse: Warehouse,
    months: Sequence[str],
    instance: dg.DagsterInstance | None,
    on_look: Callable[[str], None] = lambda month: None,
) -> DiskRecords:
    """Records whose sources are looked at for these months when the plan asks for them.

    Args:
        instance: where the results of checks are; None: nothing has run yet.
        on_look: told of a month before its source is looked at, which may take a while.
    """

    def events_version(month: str) -> str:
        on_look(month)
        return month_fingerprint(warehouse, layout, month)

    sources: dict[str, Callable[[str], str]] = {
        EVENTS.to_user_string(): events_version,
        ACCEPTED.to_user_string(): functools.partial(accepted_month_version, layout),
    }
    return DiskRecords(layout, sources, months, instance)


def jobs(monthly: MonthlyAssets, definitions: Definitions, month_job: str) -> list[dg.JobDefinition]:
    """``status_month`` and ``refresh_month``.

    Args:
        definitions: the whole graph these jobs are a part of.
        month_job: name of its job that can make every dataset of a month.
    """

    @dg.op(description="Compares every dataset's record with what it is made from; runs nothing.")
    def look_at_month(
        context: dg.OpExecutionContext, layout: dg.ResourceParam[Layout], warehouse: dg.ResourceParam[Warehouse]
    ) -> None:
        month = context.partition_key
        with as_dagster_failures(context.retry_number):
            records = observed_records(layout, warehouse, [month], context.instance)
            statuses = plan(Graph.of(definitions()), records, [month]).values()
        _tell_plan(context, [status for status in statuses if status.month == month], every=True)

    @dg.op(description="Makes what is stale, one dataset at a time, each in a run of its own in this run's group.")
    def make_what_is_stale(
        context: dg.OpExecutionContext,
        config: RefreshConfig,
        layout: dg.ResourceParam[Layout],
        warehouse: dg.ResourceParam[Warehouse],
    ) -> None:
        defs = definitions()
        graph = Graph.of(defs)
        run = context.run
        root_run = run.root_run_id or run.run_id
        tags = {"dagster/parent_run_id": run.run_id, "dagster/root_run_id": root_run}
        make = DagsterMake(graph, defs.resolve_job_def(month_job), context.instance, tags=tags)

        def held(month: str) -> AbstractContextManager[None]:
            return month_lock(layout.root, month, run.run_id)

        with as_dagster_failures(context.retry_number):
            last = work_month(config.through, layout.settings.first_month) if config.through else context.partition_key
            months = months_to_refresh(DiskRecords(layout), context.partition_key, last)
            for month in months:
                layout.require_our_folder(month)
            end_killed_runs(context.instance, layout.root)
            records = observed_records(layout, warehouse, months, context.instance)
            before = [status for status in plan(graph, records, months).values() if status.month in months]
            _tell_plan(context, before)
            steps = refresh(
                graph, records, months, make, held, config.discard_edits, on_step=lambda step: _tell_step(context, step)
            )
        context.add_output_metadata({"refreshed": _steps_table(steps)})
        if wrong := [step for step in steps if not step.good]:
            first = wrong[0]
            raise dg.Failure(
                f"{len(wrong)} datasets are not fresh; {first.name} of {first.month}: {_why(first)}",
                metadata={"refreshed": _steps_table(steps)},
                allow_retries=False,
            )

    @dg.job(
        name=STATUS_JOB,
        partitions_def=monthly.partitions,
        description="Says of every dataset of a month why it is not fresh, here and on its own page. Runs nothing.",
    )
    def status_month() -> None:
        look_at_month()

    @dg.job(
        name=REFRESH_JOB,
        partitions_def=monthly.partitions,
        description="Makes what is stale of a month and nothing else; a result that comes out unchanged ends the wave.",
    )
    def refresh_month() -> None:
        make_what_is_stale()

    return [status_month, refresh_month]


def _tell_plan(context: dg.OpExecutionContext, statuses: Sequence[Status], every: bool = False) -> None:
    """Log the plan, and put each dataset's reason on its page; of the fresh ones only where ``every`` is wanted."""
    for status in statuses:
        if status.state is not State.FRESH:
            context.log.info(f"{status.month} {status.name}: {status.state}: {status.text}")
        if every or status.state is not State.FRESH:
            _observe(context, status.month, status.name, status.state.value, status.text, status.cause)
    stale = sum(not status.settled for status in statuses)
    context.log.info(f"{stale} of {len(statuses)} datasets are stale or may become so" if stale else "all is fresh")
    context.add_output_metadata({"plan": _plan_table(statuses)})


def _tell_step(context: dg.OpExecutionContext, step: Step) -> None:
    context.log.info(f"{step.month} {step.name}: {step.outcome}: {_why(step)}")
    _observe(context, step.month, step.name, step.outcome.value, _why(step), None)


def _observe(context: dg.OpExecutionContext, month: str, name: str, state: str, why: str, cause: str | None) -> None:
    metadata = {"state": state, "why": why or "nothing it is made from has changed"}
    if cause:
        metadata["begins with"] = cause
    context.log_event(
        dg.AssetObservation(name, partition=month, description=f"{state}: {why}" if why else state, metadata=metadata)
    )


def _why(step: Step) -> str:
    return "; ".join([step.why, *(step.made.warnings if step.made else ())])


def _plan_table(statuses: Iterable[Status]) -> dg.MetadataValue:
    rows = [(s.month, s.name, s.state.value, s.text, s.cause or "") for s in statuses]
    return table_metadata(pd.DataFrame(rows, columns=["month", "dataset", "state", "why", "begins with"]))


def _steps_table(steps: Iterable[Step]) -> dg.MetadataValue:
    rows = [(s.month, s.name, s.outcome.value, s.made.run_id if s.made else "", _why(s)) for s in steps]
    return table_metadata(pd.DataFrame(rows, columns=["month", "dataset", "outcome", "run", "why"]))
