"""Small asset graphs around the IO managers, so that they are tested as Dagster calls them."""

from collections.abc import Callable
from typing import Any

import dagster as dg

from coupang_assets.assets.monthly import from_base_month
from coupang_assets.datasets import Dataset, Kind
from coupang_assets.definitions import build_resources
from coupang_assets.months import month_partitions
from coupang_assets.settings import Settings

MONTH = "2024_05"
PARTITIONS = month_partitions("2024_01")
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def made(dataset: Dataset, value: object) -> dg.AssetsDefinition:
    """An asset of a dataset's name that gives ``value``, or what it returns when called."""

    @dg.asset(
        name=dataset.name,
        partitions_def=PARTITIONS,
        io_manager_key="hive_table" if dataset.kind is Kind.HIVE else "spec_files",
        code_version="1",
    )
    def produce() -> Any:
        return value() if callable(value) else value

    return produce


def write(
    settings: Settings, dataset: Dataset, value: object, month: str = MONTH, base: str | None = None
) -> dg.ExecuteInProcessResult:
    """Materialize ``value`` as the dataset of a month."""
    return run(settings, [made(dataset, value)], month, base)


def read(
    settings: Settings,
    dataset: Dataset,
    annotation: Any,
    month: str = MONTH,
    base: str | None = None,
    which: str | None = None,
    got: Callable[[Any], object] | None = None,
) -> tuple[dg.ExecuteInProcessResult, list[Any]]:
    """Load the dataset into an asset that wants ``annotation``; what it got is the list's one element.

    Args:
        which: of ``spec_files``, to read it from the base month.
        got: called with it while the engine is open, for what is lazy.
    """
    received: list[Any] = []

    def consume(data: Any) -> None:
        received.append(data)
        if got is not None:
            got(data)

    consume.__annotations__["data"] = annotation
    ins = {"data": from_base_month(dataset, which) if which else dg.AssetIn(key=dataset.name)}
    consumer = dg.asset(name="consumer", partitions_def=PARTITIONS, ins=ins)(consume)
    return run(settings, [made(dataset, None), consumer], month, base, ["consumer"]), received


def run(
    settings: Settings,
    assets: list[dg.AssetsDefinition],
    month: str,
    base: str | None = None,
    selection: list[str] | None = None,
) -> dg.ExecuteInProcessResult:
    resources = {name: resource for name, resource in build_resources(settings).items() if name != "shop"}
    config = {**QUIET} | ({"resources": {"base_month": {"config": {"month": base}}}} if base else {})
    try:
        return dg.materialize(
            assets,
            partition_key=month,
            resources=resources,
            selection=selection,
            run_config=config,
            raise_on_error=False,
        )
    finally:
        resources["engine"].close()


def failure(result: dg.ExecuteInProcessResult) -> str:
    """What a failed run's user is told."""
    (event,) = [event for event in result.all_events if event.is_step_failure]
    data = event.step_failure_data
    assert data.user_failure_data is not None, data.error
    assert data.user_failure_data.description is not None
    return data.user_failure_data.description


def metadata(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    (event,) = result.get_asset_materialization_events()
    return dict(event.materialization.metadata)
