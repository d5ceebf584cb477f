"""One run a month at a time, wherever it was started, and the record of runs that were killed.

The lock is the operating system's: a killed run frees it. A killed run also stays "started" in Dagster's record, where
it would count against the runs allowed at once for good; its free lock tells that it is gone. Belongs here: that lock.
Does not: locks on datasets (``commit``).
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import dagster as dg
from filelock import FileLock, Timeout
from pydantic import BaseModel, ValidationError

from coupang_assets.errors import CoupangAssetsError
from coupang_assets.files import write_text
from coupang_assets.storage.manifest import now

# On a run that is executed while the process that made it holds the month's lock.
RUN_TAG = "coupang_assets/run_lock"
_PARTITION_TAG = "dagster/partition"
# What a run without a month is at work on: the datasets that are not monthly.
NO_MONTH = "products"


class Holder(BaseModel):
    """Who holds a month, or held it last."""

    run_id: str
    pid: int
    since: str


@contextmanager
def month_lock(root: Path, month: str, run_id: str) -> Iterator[None]:
    """Hold the month while the block runs; a thread that holds it already may hold it again.

    Raises:
        CoupangAssetsError: another run is at work on it.
    """
    lock = _lock(root, month)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise _busy(month, _holder(root, month)) from None
    try:
        if lock.lock_counter == 1:
            holder = Holder(run_id=run_id, pid=os.getpid(), since=now())
            write_text(_holder_path(root, month), holder.model_dump_json())
        yield
    finally:
        lock.release()


@dg.resource(required_resource_keys={"layout"}, description="One run a month at a time.")
def run_lock(context: dg.InitResourceContext) -> Iterator[None]:
    """Holds the month of a run, or what is not monthly, while it runs; needed by whatever writes a dataset."""
    run = context.run
    with ExitStack() as held:
        if run:
            month = run.tags.get(_PARTITION_TAG, NO_MONTH)
            held.enter_context(month_lock(context.resources.layout.root, month, run.run_id))
        yield


def end_killed_runs(instance: dg.DagsterInstance, root: Path) -> int:
    """Report runs as failed whose process is gone; how many there were."""
    ended = 0
    statuses = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.CANCELING]
    for run in instance.get_runs(filters=dg.RunsFilter(statuses=statuses)):
        month = run.tags.get(RUN_TAG) or run.tags.get(_PARTITION_TAG, NO_MONTH)
        if not _was_killed(root, month, run):
            continue
        instance.report_run_failed(run, "The run was killed; run or refresh the month and the job is finished.")
        ended += 1
    return ended


def _was_killed(root: Path, month: str, run: dg.DagsterRun) -> bool:
    """Whether nobody is at work on the month any more. A run that has not come to its lock yet is not judged."""
    try:
        with _lock(root, month).acquire(blocking=False):
            holder = _holder(root, month)
    except Timeout:
        return False
    if RUN_TAG in run.tags:
        return True
    return holder is not None and holder.run_id == run.run_id and not _is_alive(holder.pid)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _busy(month: str, holder: Holder | None) -> CoupangAssetsError:
    who = f" (run {holder.run_id}, process {holder.pid}, since {holder.since})" if holder else ""
    return CoupangAssetsError(
        f"another run is at work on {month}{who}", "wait until it has ended, or stop it, and run again"
    )


def _lock(root: Path, month: str) -> FileLock:
    folder = _folder(root)
    folder.mkdir(parents=True, exist_ok=True)
    return FileLock(folder / f"{month}.lock", is_singleton=True)


def _holder(root: Path, month: str) -> Holder | None:
    try:
        return Holder.model_validate_json(_holder_path(root, month).read_bytes())
    except (OSError, ValidationError):
        return None


def _holder_path(root: Path, month: str) -> Path:
    return _folder(root) / f"{month}.json"


def _folder(root: Path) -> Path:
    return root / ".run_locks"
