"""One run a month at a time, wherever it comes from, and what becomes of killed ones."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest

from coupang_assets.datasets import NEW_UNIQUE
from coupang_assets.errors import CoupangAssetsError
from coupang_assets.settings import Settings
from coupang_assets.storage.run_lock import RUN_TAG, Holder, end_killed_runs, month_lock
from coupang_assets_tests.storage.materializing import write

MAY, JUNE = "2024_05", "2024_06"
ROW = pd.DataFrame([("7", "제목", "0001", None, "0003", "0004", 2)], columns=list(NEW_UNIQUE.column_names))

HOLD = """
import sys, time
from pathlib import Path
from coupang_assets.storage.run_lock import month_lock
with month_lock(Path(sys.argv[1]), sys.argv[2], sys.argv[3]):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def instance(tmp_path: Path) -> dg.DagsterInstance:
    return dg.DagsterInstance.local_temp(str(tmp_path))


@contextmanager
def held_elsewhere(root: Path, month: str, run_id: str) -> Iterator[subprocess.Popen[bytes]]:
    """Another process at work on the month."""
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(root), month, run_id], stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None and holder.stdout.readline().strip() == b"held"
        yield holder
    finally:
        holder.kill()
        holder.wait()


def taken(root: Path, month: str) -> bool:
    try:
        with month_lock(root, month, "a try"):
            return False
    except CoupangAssetsError:
        return True


@dg.job
def nothing() -> None:
    pass


def started(instance: dg.DagsterInstance, **tags: str) -> str:
    run = instance.create_run_for_job(nothing, tags=tags, status=dg.DagsterRunStatus.STARTED)
    return run.run_id


def test_the_second_is_told_who_is_at_work(tmp_path: Path) -> None:
    with held_elsewhere(tmp_path, MAY, "first-run") as holder:
        with pytest.raises(CoupangAssetsError) as refused, month_lock(tmp_path, MAY, "second-run"):
            pass
        assert "another run is at work on 2024_05" in refused.value.what
        assert f"run first-run, process {holder.pid}, since 20" in refused.value.what
        assert not taken(tmp_path, JUNE), "another month is free"
    assert not taken(tmp_path, MAY), "kill -9 frees the month"


def test_a_run_from_the_ui_is_refused_while_a_command_is_at_work(settings: Settings) -> None:
    with held_elsewhere(settings.root, MAY, "command"):
        result = write(settings, NEW_UNIQUE, ROW)
    assert not result.success
    assert not (settings.root / "data" / MAY / "new_unique.csv").exists()
    told = [event.event_specific_data.error.to_string() for event in result.all_events if event.is_failure]  # type: ignore[union-attr]
    assert any("another run is at work on 2024_05 (run command" in text for text in told)
    assert write(settings, NEW_UNIQUE, ROW).success


def test_a_command_is_refused_while_a_run_from_the_ui_is_at_work(settings: Settings) -> None:
    seen: list[bool] = []

    def look() -> pd.DataFrame:
        other = threading.Thread(target=lambda: seen.append(taken(settings.root, MAY)))
        other.start()
        other.join()
        return ROW

    assert write(settings, NEW_UNIQUE, look).success
    assert seen == [True]
    assert not taken(settings.root, MAY), "it is free when the run has ended"


def test_who_holds_a_month_may_run_parts_of_it(settings: Settings) -> None:
    with month_lock(settings.root, MAY, "refresh"):
        assert write(settings, NEW_UNIQUE, ROW).success
        holder = Holder.model_validate_json((settings.root / ".run_locks" / f"{MAY}.json").read_bytes())
        assert holder.run_id == "refresh", "the one who came first is the one at work"
        seen: list[bool] = []
        other = threading.Thread(target=lambda: seen.append(taken(settings.root, MAY)))
        other.start()
        other.join()
        assert seen == [True], "and still holds it afterwards"


def test_a_killed_command_is_ended_in_the_record_and_a_living_one_is_not(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    dead, alive, of_others = (
        started(instance, **{RUN_TAG: MAY}),
        started(instance, **{RUN_TAG: JUNE}),
        started(instance),
    )
    with held_elsewhere(tmp_path, JUNE, alive):
        assert end_killed_runs(instance, tmp_path) == 1
    status = {run.run_id: run.status for run in instance.get_runs()}
    assert status == {
        dead: dg.DagsterRunStatus.FAILURE,
        alive: dg.DagsterRunStatus.STARTED,
        of_others: dg.DagsterRunStatus.STARTED,
    }


def test_a_killed_run_from_the_ui_is_ended_and_one_that_has_just_begun_is_not(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    killed, begun = (started(instance, **{"dagster/partition": MAY}) for _ in range(2))
    with held_elsewhere(tmp_path, MAY, killed) as holder:
        assert end_killed_runs(instance, tmp_path) == 0
        os.kill(holder.pid, signal.SIGKILL)
    assert end_killed_runs(instance, tmp_path) == 1
    status = {run.run_id: run.status for run in instance.get_runs()}
    assert status == {killed: dg.DagsterRunStatus.FAILURE, begun: dg.DagsterRunStatus.STARTED}


def test_a_run_that_is_about_to_end_is_not_taken_for_killed(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    ending = started(instance, **{"dagster/partition": MAY})
    with month_lock(tmp_path, MAY, ending):
        pass
    assert end_killed_runs(instance, tmp_path) == 0, "its process is alive, it only has to say so"
