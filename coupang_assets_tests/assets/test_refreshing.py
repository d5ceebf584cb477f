"""Refreshing from the UI: the jobs, what they show, and the sensor."""

import os
import time
from typing import Any

import dagster as dg
import pytest

from coupang_assets.assets.refreshing import REFRESH_JOB, STATUS_JOB
from coupang_assets.datasets import DATASETS
from coupang_assets.refresh.execution import QUIET
from coupang_assets_tests.refresh.conftest import JUNE, MAY, SmallMonths, finished, months
from coupang_assets_tests.refresh.test_chain import STEP_6

__all__ = ["finished", "months"]

pytestmark = pytest.mark.slow


def run(months: SmallMonths, job: str, month: str, **config: Any) -> dg.ExecuteInProcessResult:
    ops = {"ops": {"make_what_is_stale": {"config": config}}} if config else {}
    return (
        months.defs()
        .resolve_job_def(job)
        .execute_in_process(run_config=QUIET | ops, instance=months.instance, partition_key=month, raise_on_error=False)
    )


def observed(result: dg.ExecuteInProcessResult) -> dict[str, dict[str, Any]]:
    """What the last observation of each dataset says."""
    return {
        event.asset_key.to_user_string(): {
            name: value.value for name, value in event.asset_observation_data.asset_observation.metadata.items()
        }
        for event in result.get_asset_observation_events()
        if event.asset_key
    }


def test_the_status_job_puts_each_datasets_reason_on_its_page_and_runs_nothing(months: SmallMonths) -> None:
    months.defs(training={"cap": 2})
    result = run(months, STATUS_JOB, MAY)
    assert result.success
    assert months.instance.get_runs_count(dg.RunsFilter(tags={"dagster/partition": MAY}, job_name=STATUS_JOB)) == 1
    said = observed(result)
    assert said.keys() == {name for name, dataset in DATASETS.items() if not dataset.on_request}
    assert said["coupang_train"] == {"state": "settings changed", "why": "training.cap was 3000 and is 2"}
    assert said["biterm_report"]["state"] == "waiting"
    assert said["biterm_report"]["begins with"] == f"coupang_train@{MAY}"
    assert said["raw_dailies"] == {"state": "fresh", "why": "nothing it is made from has changed"}


def test_the_refresh_job_makes_what_is_stale_in_runs_of_its_group(months: SmallMonths) -> None:
    months.defs(training={"cap": 2})
    result = run(months, REFRESH_JOB, MAY, through=JUNE)
    assert result.success
    children = months.instance.get_runs(dg.RunsFilter(tags={"dagster/parent_run_id": result.run_id}))
    made = {
        (child.tags["dagster/partition"], *(key.to_user_string() for key in child.asset_selection or ()))
        for child in children
    }
    assert made == {(month, name) for month in (MAY, JUNE) for name in STEP_6}
    assert {child.status for child in children} == {dg.DagsterRunStatus.SUCCESS}
    assert {child.tags["dagster/root_run_id"] for child in children} == {result.run_id}
    said = observed(result)
    assert said["coupang_train"] == {"state": "made, changed", "why": "training.cap was 3000 and is 2"}
    again = run(months, REFRESH_JOB, MAY)
    assert again.success
    assert observed(again) == {}
    assert not months.instance.get_runs(dg.RunsFilter(tags={"dagster/parent_run_id": again.run_id}))


def test_a_refresh_that_fails_says_what_and_why(months: SmallMonths) -> None:
    months.file(MAY, "coupang_cate_all.csv").write_text("a person's half-finished work\n")
    result = run(months, REFRESH_JOB, MAY)
    assert not result.success
    (failed,) = [event for event in result.all_events if event.is_step_failure]
    told = failed.step_failure_data.user_failure_data.description  # type: ignore[union-attr]
    assert "category_merge of 2024_05" in told
    assert "coupang_cate_all.csv" in told


def test_a_refresh_of_no_month_is_told(months: SmallMonths) -> None:
    result = run(months, REFRESH_JOB, MAY, through="2024_13")
    (failed,) = [event for event in result.all_events if event.is_step_failure]
    assert "'2024_13' is no month" in str(failed.step_failure_data.user_failure_data.description)  # type: ignore[union-attr]


class Sensor:
    """``keep_fresh`` as the daemon calls it, tick after tick."""

    def __init__(self, months: SmallMonths) -> None:
        self.months = months
        self.cursor: str | None = None

    def tick(self) -> str:
        """The month it wants refreshed, or why none is."""
        defs = self.months.defs()
        with dg.build_sensor_context(
            instance=self.months.instance, cursor=self.cursor, repository_def=defs.get_repository_def(),
            resources={name: defs.resources[name] for name in ("layout", "warehouse")},  # type: ignore[index]
        ) as context:  # fmt: skip
            result = defs.resolve_sensor_def("keep_fresh").evaluate_tick(context)
        self.cursor = result.cursor or self.cursor
        if result.run_requests:
            (request,) = result.run_requests
            return str(request.partition_key)
        return str(result.skip_message)


@pytest.fixture
def sensor(months: SmallMonths) -> Sensor:
    months.defs(refresh={"first": MAY, "last": JUNE, "look_every_minutes": 0})
    return Sensor(months)


def test_the_sensor_is_off_until_a_person_turns_it_on(months: SmallMonths) -> None:
    assert months.defs().resolve_sensor_def("keep_fresh").default_status is dg.DefaultSensorStatus.STOPPED


def test_the_sensor_starts_one_refresh_after_the_other_and_then_none(months: SmallMonths, sensor: Sensor) -> None:
    assert "is fresh" in sensor.tick()
    months.defs(training={"cap": 2})
    assert sensor.tick() == MAY
    under_way = months.instance.create_run_for_job(
        months.defs().resolve_job_def(REFRESH_JOB), tags={"dagster/partition": MAY}, status=dg.DagsterRunStatus.STARTING
    )
    assert "is at work or queued" in sensor.tick()
    months.instance.report_run_canceled(under_way)
    assert run(months, REFRESH_JOB, MAY).success
    assert sensor.tick() == JUNE
    assert run(months, REFRESH_JOB, JUNE).success
    assert "is fresh" in sensor.tick()


def test_a_month_that_failed_is_left_alone_until_something_about_it_changes(
    months: SmallMonths, sensor: Sensor
) -> None:
    path = months.file(MAY, "coupang_cate_all.csv")
    good = path.read_text(encoding="utf-8")
    path.write_text("a person's half-finished work\n")
    assert sensor.tick() == MAY
    assert not run(months, REFRESH_JOB, MAY).success
    for _ in range(3):
        assert "not tried again until something about it has changed" in sensor.tick()
    path.write_text(good.replace("생활가전", "생활용가전"), encoding="utf-8")
    assert sensor.tick() == MAY
    assert run(months, REFRESH_JOB, MAY).success
    assert sensor.tick() == JUNE


def test_the_source_is_looked_at_no_more_often_than_set(months: SmallMonths, sensor: Sensor) -> None:
    from pyarrow import concat_tables, orc

    day = months.settings.warehouse_folder / "retargeting_event_storage_orc" / "day=20240501" / "000000_0.orc"
    assert "is fresh" in sensor.tick()
    events = orc.read_table(day)
    orc.write_table(concat_tables([events, events]), day)
    os.utime(day, (time.time(), time.time()))
    months.defs(refresh={"first": MAY, "last": JUNE, "look_every_minutes": 60})
    assert "is fresh" in sensor.tick()
    months.defs(refresh={"first": MAY, "last": JUNE, "look_every_minutes": 0})
    assert sensor.tick() == JUNE, "new data in one day make exactly its month stale"


def test_without_a_range_it_is_the_latest_month_that_was_begun(months: SmallMonths) -> None:
    months.defs(training={"cap": 2})
    assert Sensor(months).tick() == JUNE
