"""The one form of an asset of this graph: monthly partitions and everything ``datasets`` knows about it."""

import ast
import functools
import hashlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import dagster as dg

from coupang_assets.datasets import Dataset, Kind
from coupang_assets.months import base_month_mapping, month_partitions
from coupang_assets.settings import Settings
from coupang_assets.storage.failures import as_dagster_failures
from coupang_assets.storage.metadata import table_schema
from coupang_assets.storage.spec_files import BASE_MONTH_KEY

_KINDS = {
    Kind.CSV: "csv",
    Kind.DAILY_CSV: "csv",
    Kind.FILES: "file",
    Kind.JOURNAL: "json",
    Kind.HIVE: "hive",
}
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
        code: tuple[ModuleType, ...],
        kinds: tuple[str, ...] = (),
        ins: Mapping[str, dg.AssetIn] | None = None,
        deps: tuple[dg.AssetKey | dg.AssetDep, ...] = (),
    ) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
        """Decorator for the function that makes ``dataset``.

        Args:
            code: modules whose change may change the result; they are its code version.
            kinds: what it is computed with, beside how it is stored.
            ins: inputs that are read from another month.
            deps: upstream assets that are not loaded.
        """

        def decorate(function: Callable[..., Any]) -> dg.AssetsDefinition:
            metadata: dict[str, Any] = {"specification": dataset.step.value}
            if dataset.columns:
                metadata["dagster/column_schema"] = dg.MetadataValue.table_schema(table_schema(dataset))
            return dg.asset(
                name=dataset.name,
                description=dataset.description + (_FROM_BASE if dataset.based_on_earlier_month else ""),
                group_name=dataset.step.value,
                partitions_def=self.partitions,
                kinds={_KINDS[dataset.kind], *kinds},
                owners=self.settings.owners,
                code_version=code_version(*code),
                io_manager_key=_IO_MANAGERS.get(dataset.kind, "spec_files"),
                metadata=metadata,
                ins=ins,
                deps=deps,
            )(_with_failures(function))

        return decorate


def from_base_month(dataset: Dataset, which: str) -> dg.AssetIn:
    """An input read from the base month; ``which`` is ``CHOSEN`` or ``RECORDED`` of ``spec_files``."""
    return dg.AssetIn(key=dataset.name, partition_mapping=base_month_mapping(), metadata={BASE_MONTH_KEY: which})


def code_version(*modules: ModuleType) -> str:
    """A hash of the modules' code; comments, docstrings and layout do not count."""
    return hashlib.sha256("\n".join(_code_of(module) for module in modules).encode()).hexdigest()[:12]


@functools.cache
def _code_of(module: ModuleType) -> str:
    tree = ast.parse(inspect.getsource(module))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:]
    return ast.dump(tree)


def _with_failures(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def translated(*args: Any, **kwargs: Any) -> Any:
        with as_dagster_failures(dg.AssetExecutionContext.get().retry_number):
            return function(*args, **kwargs)

    return translated
