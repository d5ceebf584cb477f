"""The one form of an asset of this graph: monthly partitions and everything ``datasets`` knows about it."""

import functools
import importlib.metadata
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import dagster as dg
from pydantic import BaseModel, JsonValue, SecretStr

from coupang_assets.assets.code_version import code_version
from coupang_assets.datasets import DATASETS, Dataset, Kind
from coupang_assets.months import base_month_mapping, month_partitions
from coupang_assets.settings import Settings
from coupang_assets.storage.failures import as_dagster_failures
from coupang_assets.storage.made_from import CODE_KEY, IF_MADE_KEY, LIBRARIES_KEY, SETTINGS_KEY, dagster_code_version
from coupang_assets.storage.metadata import table_schema
from coupang_assets.storage.spec_files import BASE_MONTH_KEY

_KINDS = {
    Kind.CSV: "csv",
    Kind.DAILY_CSV: "csv",
    Kind.FILES: "file",
    Kind.JOURNAL: "json",
    Kind.HIVE: "hive",
}
# Metadata of each materialization: how long its function took, reading and writing of files apart.
SECONDS = "seconds"
_FROM_BASE = " Reads the base month's files too: the latest earlier month that has a dictionary, or another on request."
_IO_MANAGERS = {Kind.HIVE: "hive_table"}


@dataclass(frozen=True)
class MonthlyAssets:
    """Makes assets for one set of settings."""

    settings: Settings

    @property
    def partitions(self) -> dg.MonthlyPartitionsDefinition:
        return month_partitions(self.settings.first_month)

    def asset(
        self,
        dataset: Dataset,
        *,
        code: tuple[ModuleType, ...] = (),
        settings: tuple[str, ...] = (),
        libraries: tuple[str, ...] = (),
        kinds: tuple[str, ...] = (),
        ins: Mapping[str, dg.AssetIn] | None = None,
        deps: tuple[dg.AssetKey | dg.AssetDep, ...] = (),
        if_made: tuple[Dataset, ...] = (),
    ) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
        """Decorator for the function that makes ``dataset``.

        Args:
            code: modules whose change may change the result though the function does not call them in this process;
                what it calls is found.
            settings: dotted names of the settings that affect what is made; a group stands for all of its settings.
            libraries: distributions whose version shapes what is made.
            kinds: what it is computed with, beside how it is stored.
            ins: inputs that are read from another month.
            deps: upstream assets that are not loaded.
            if_made: datasets made on request that are read where the month has them.
        """

        def decorate(function: Callable[..., Any]) -> dg.AssetsDefinition:
            code_alone = code_version(dataset, function, code)
            values = settings_values(self.settings, settings)
            versions = {name: importlib.metadata.version(name) for name in libraries}
            metadata: dict[str, Any] = {
                "specification": dataset.step.value,
                CODE_KEY: code_alone,
                SETTINGS_KEY: dg.MetadataValue.json(values),
                LIBRARIES_KEY: dg.MetadataValue.json(versions),
            }
            if if_made:
                metadata[IF_MADE_KEY] = dg.MetadataValue.json([one.name for one in if_made])
            if dataset.columns:
                metadata["dagster/column_schema"] = dg.MetadataValue.table_schema(table_schema(dataset))
            return dg.asset(
                name=dataset.name,
                description=dataset.description + (_FROM_BASE if dataset.based_on_earlier_month else ""),
                group_name=dataset.step.value,
                partitions_def=self.partitions,
                kinds={_KINDS[dataset.kind], *kinds},
                owners=self.settings.owners,
                code_version=dagster_code_version(code_alone, values, versions),
                io_manager_key=_IO_MANAGERS.get(dataset.kind, "spec_files"),
                metadata=metadata,
                ins=ins,
                deps=deps,
                output_required=not dataset.on_request,
            )(_unless_everything_runs(function) if dataset.on_request else _with_failures(function))

        return decorate


def from_base_month(dataset: Dataset, which: str) -> dg.AssetIn:
    """An input read from the base month; ``which`` is ``CHOSEN`` or ``RECORDED`` of ``spec_files``."""
    return dg.AssetIn(key=dataset.name, partition_mapping=base_month_mapping(), metadata={BASE_MONTH_KEY: which})


def settings_values(settings: Settings, names: tuple[str, ...]) -> dict[str, JsonValue]:
    """Values of settings by dotted name (``training.cap``); the name of a group stands for all of it.

    Raises:
        ValueError: there is no such setting, or it is a secret.
    """
    values: dict[str, JsonValue] = {}
    for name in names:
        *groups, last = name.split(".")
        group: BaseModel = settings
        for each in groups:
            group = getattr(group, each)
        if last not in type(group).model_fields:
            raise ValueError(f"there is no setting {name}")
        value = group.model_dump(mode="json", include={last})[last]
        if isinstance(getattr(group, last), SecretStr):
            raise ValueError(f"setting {name} is a secret; what is made cannot depend on it")
        if isinstance(value, dict) and isinstance(getattr(group, last), BaseModel):
            values |= settings_values(settings, tuple(f"{name}.{each}" for each in value))
        else:
            values[name] = value
    return values


def _unless_everything_runs(function: Callable[..., Any]) -> Callable[..., Any]:
    """What is on request is left out when a person takes all assets at once ("Materialize all"): it may take hours."""
    made = _with_failures(function)

    @functools.wraps(function)
    def on_request(*args: Any, **kwargs: Any) -> Iterator[dg.Output[Any]]:
        context = dg.AssetExecutionContext.get()
        selected = {key.to_user_string() for key in context.job_def.asset_layer.selected_asset_keys}
        if selected >= DATASETS.keys():
            context.log.warning("left out of a run of everything: select it, alone or with others, to make it")
            return
        yield dg.Output(made(*args, **kwargs))

    return on_request


def _with_failures(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def translated(*args: Any, **kwargs: Any) -> Any:
        context = dg.AssetExecutionContext.get()
        started = time.perf_counter()
        with as_dagster_failures(context.retry_number):
            result = function(*args, **kwargs)
        context.add_output_metadata({SECONDS: round(time.perf_counter() - started, 3)})
        return result

    return translated
