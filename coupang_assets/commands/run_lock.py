"""One ``coupang-assets run`` a month at a time, and the record of runs that were killed.

A killed run stays "started" in Dagster's record, where it would count against the runs allowed at once for good.
Its lock, which the operating system frees, tells that it is gone. Belongs here: that lock. Does not: locks on
datasets (``storage.commit``).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dagster import DagsterInstance, DagsterRunStatus, RunsFilter
from filelock import FileLock, Timeout

from coupang_assets.errors import CoupangAssetsError

RUN_TAG = "coupang_assets/run_lock"


@contextmanager
def month_lock(instance: DagsterInstance, month: str) -> Iterator[None]:
    """Hold the month while the block runs.

    Raises:
        CoupangAssetsError: another ``coupang-assets run`` is at work on it.
    """
    lock = _lock(instance, month)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise CoupangAssetsError(
            f"another run is at work on {month}", "wait until it has ended, or stop it, and run again"
        ) from None
    try:
        yield
    finally:
        lock.release()


def end_killed_runs(instance: DagsterInstance) -> int:
    """Report runs as failed whose process is gone; how many there were."""
    ended = 0
    started = RunsFilter(statuses=[DagsterRunStatus.STARTED, DagsterRunStatus.STARTING])
    for run in instance.get_runs(filters=started):
        if (month := run.tags.get(RUN_TAG)) is None:
            continue
        try:
            with _lock(instance, month).acquire(blocking=False):
                instance.report_run_failed(run, "The run was killed; run the month again and it finishes the job.")
                ended += 1
        except Timeout:
            continue
    return ended


def _lock(instance: DagsterInstance, month: str) -> FileLock:
    folder = Path(instance.root_directory) / "run_locks"
    folder.mkdir(parents=True, exist_ok=True)
    return FileLock(folder / f"{month}.lock")
