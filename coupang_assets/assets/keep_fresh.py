"""The sensor that keeps a range of months fresh by itself.

It starts one refresh at a time, of the first month that is stale, and none while one is at work. A month that could not
be refreshed is left alone until something about it has changed. Belongs here: that decision. Does not: the plan.
"""

import functools
import hashlib
import time
from collections.abc import Callable, Sequence

import dagster as dg
from pydantic import BaseModel, ValidationError

from coupang_assets.assets.refreshing import REFRESH_JOB
from coupang_assets.assets.sources import ACCEPTED, EVENTS, accepted_month_version, month_fingerprint
from coupang_assets.errors import CoupangAssetsError
from coupang_assets.refresh.graph import Graph
from coupang_assets.refresh.loop import months_to_refresh
from coupang_assets.refresh.plan import Records, Status, plan, upstream_keys
from coupang_assets.refresh.records import DiskRecords
from coupang_assets.settings import Settings
from coupang_assets.storage.layout import Layout
from coupang_assets.storage.run_lock import end_killed_runs
from coupang_assets.warehouse import Warehouse

_TICK_SECONDS = 60
_PARTITION_TAG = "dagster/partition"
_UNDER_WAY = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


class _Seen(BaseModel):
    """A month's source as it was last looked at."""

    version: str
    at: float


class _Memory(BaseModel):
    """What the sensor knows from one tick to the next.

    Attributes:
        seen: the source of each month.
        failed_run: the latest refresh of each month that has failed.
        left_alone: what each such month looked like after it.
    """

    seen: dict[str, _Seen] = {}
    failed_run: dict[str, str] = {}
    left_alone: dict[str, str] = {}

    @staticmethod
    def read(cursor: str | None) -> "_Memory":
        try:
            return _Memory.model_validate_json(cursor) if cursor else _Memory()
        except ValidationError:
            return _Memory()


def keep_fresh_sensor(settings: Settings, definitions: Callable[[], dg.Definitions]) -> dg.SensorDefinition:
    """Keeps the months ``refresh.first`` to ``refresh.last`` fresh. Off until a person turns it on."""

    @dg.sensor(
        name="keep_fresh",
        job_name=REFRESH_JOB,
        minimum_interval_seconds=_TICK_SECONDS,
        description="Refreshes what is stale of the months COUPANG_REFRESH__FIRST to COUPANG_REFRESH__LAST, one month "
        "at a time. A month that fails is not tried again until something about it has changed.",
    )
    def keep_fresh(
        context: dg.SensorEvaluationContext, layout: dg.ResourceParam[Layout], warehouse: dg.ResourceParam[Warehouse]
    ) -> dg.RunRequest | dg.SkipReason:
        end_killed_runs(context.instance, layout.root)
        under_way = context.instance.get_runs(filters=dg.RunsFilter(statuses=_UNDER_WAY), limit=1)
        if under_way:
            return dg.SkipReason(f"run {under_way[0].run_id} ({under_way[0].job_name}) is at work or queued")
        memory = _Memory.read(context.cursor)
        try:
            wanted = _choose(context.instance, settings, Graph.of(definitions()), layout, warehouse, memory)
        except CoupangAssetsError as error:
            wanted = dg.SkipReason(str(error))
        context.update_cursor(memory.model_dump_json())
        return wanted

    return keep_fresh


def _choose(
    instance: dg.DagsterInstance,
    settings: Settings,
    graph: Graph,
    layout: Layout,
    warehouse: Warehouse,
    memory: _Memory,
) -> dg.RunRequest | dg.SkipReason:
    begun = DiskRecords(layout).months()
    last = settings.refresh.last or (begun[-1] if begun else None)
    if last is None:
        return dg.SkipReason("no month was begun yet, and COUPANG_REFRESH__LAST names none")
    first = min(settings.refresh.first or last, last)

    def source_version(month: str) -> str:
        seen, now = memory.seen.get(month), time.time()
        if seen is None or now - seen.at >= settings.refresh.look_every_minutes * 60:
            seen = memory.seen[month] = _Seen(version=month_fingerprint(warehouse, layout, month), at=now)
        return seen.version

    months = months_to_refresh(DiskRecords(layout), first, last)
    sources: dict[str, Callable[[str], str]] = {
        EVENTS.to_user_string(): source_version,
        ACCEPTED.to_user_string(): functools.partial(accepted_month_version, layout),
    }
    records = DiskRecords(layout, sources, months, instance)
    statuses = plan(graph, records, months)
    left_alone = []
    for month in months:
        here = [status for status in statuses.values() if status.month == month]
        if not any(status.must_run or status.conflict for status in here):
            continue
        if _is_left_alone(instance, month, _looks(graph, records, month, here), memory):
            left_alone.append(month)
            continue
        if any((status.cause or "").endswith(tuple(f"@{one}" for one in left_alone)) for status in here):
            continue  # It would be built upon what has failed.
        return dg.RunRequest(partition_key=month, tags={"coupang_assets/started_by": "keep_fresh"})
    if left_alone:
        return dg.SkipReason(f"{', '.join(left_alone)} failed; not tried again until something about it has changed")
    return dg.SkipReason(f"{first} to {last} is fresh" if first != last else f"{last} is fresh")


def _is_left_alone(instance: dg.DagsterInstance, month: str, looks: str, memory: _Memory) -> bool:
    """Whether the month's latest refresh failed and it looks as it did after that."""
    latest = instance.get_runs(filters=dg.RunsFilter(job_name=REFRESH_JOB, tags={_PARTITION_TAG: month}), limit=1)
    if not latest or latest[0].status is dg.DagsterRunStatus.SUCCESS:
        memory.left_alone.pop(month, None)
        return False
    if memory.failed_run.get(month) != latest[0].run_id:
        memory.failed_run[month], memory.left_alone[month] = latest[0].run_id, looks
    return memory.left_alone.get(month) == looks


def _looks(graph: Graph, records: Records, month: str, statuses: Sequence[Status]) -> str:
    """A hash of all that a refresh of the month would follow from."""
    lines = []
    for status in statuses:
        node = graph.by_name[status.name]
        upstream = [key.split("@") for key in upstream_keys(graph, records, node, month)]
        read = [records.version(of, name) for name, of in upstream]
        sources = [records.source_version(month, source) for source in node.sources if status.manifest]
        lines.append(
            repr((status.name, status.state, node.made_with, records.version(month, status.name), read, sources))
        )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
