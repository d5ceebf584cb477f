"""One run a month at a time, and what becomes of killed ones."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
from coupang_assets.commands.run_lock import RUN_TAG, end_killed_runs, month_lock

from coupang_assets.errors import CoupangAssetsError


@pytest.fixture
def instance(tmp_path: Path) -> dg.DagsterInstance:
    return dg.DagsterInstance.local_temp(str(tmp_path))


@dg.job
def nothing() -> None:
    pass


def _started(instance: dg.DagsterInstance, month: str | None) -> str:
    run = instance.create_run_for_job(
        nothing, tags={} if month is None else {RUN_TAG: month}, status=dg.DagsterRunStatus.STARTED
    )
    return run.run_id


def test_a_month_that_is_at_work_is_refused_and_another_is_not(instance: dg.DagsterInstance) -> None:
    with month_lock(instance, "2024_05"):
        with pytest.raises(CoupangAssetsError, match="another run is at work on 2024_05"):
            month_lock(instance, "2024_05").__enter__()
        with month_lock(instance, "2024_06"):
            pass
    with month_lock(instance, "2024_05"):
        pass


def test_a_killed_run_is_ended_and_a_living_one_is_not(instance: dg.DagsterInstance) -> None:
    dead, alive, of_others = (_started(instance, month) for month in ("2024_05", "2024_06", None))
    with month_lock(instance, "2024_06"):
        assert end_killed_runs(instance) == 1
    status = {run.run_id: run.status for run in instance.get_runs()}
    assert status == {
        dead: dg.DagsterRunStatus.FAILURE,
        alive: dg.DagsterRunStatus.STARTED,
        of_others: dg.DagsterRunStatus.STARTED,
    }


def test_sigkill_frees_the_month(instance: dg.DagsterInstance) -> None:
    script = (
        "import dagster as dg, sys, time\n"
        "from coupang_assets.commands.run_lock import month_lock\n"
        "with month_lock(dg.DagsterInstance.local_temp(sys.argv[1]), '2024_05'):\n"
        "    print('held', flush=True); time.sleep(60)\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", script, instance.root_directory], stdout=subprocess.PIPE)
    assert holder.stdout is not None and holder.stdout.readline().strip() == b"held"
    with pytest.raises(CoupangAssetsError):
        month_lock(instance, "2024_05").__enter__()
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    with month_lock(instance, "2024_05"):
        pass
