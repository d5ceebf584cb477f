"""Finished small months with a lasting history, the commands run on copies of them, and what Dagster says of them."""

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import dagster as dg
import pandas as pd
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest
from typer.testing import CliRunner

from coupang_assets.cli import app
from coupang_assets.datasets import DATASETS
from coupang_assets.definitions import build_defs
from coupang_assets.files import sha256_file
from coupang_assets.settings import Settings
from coupang_assets.storage.history import History
from coupang_assets.storage.layout import Layout
from coupang_assets_tests.months import SMALL_ENV, small_settings


@dataclass(frozen=True)
class Root:
    """A root and the commands on it."""

    folder: Path

    @property
    def settings(self) -> Settings:
        return small_settings(self.folder)

    @property
    def history(self) -> History:
        return History(Layout(self.settings))

    @property
    def environment(self) -> dict[str, str]:
        home = {"COUPANG_ROOT": str(self.folder), "DAGSTER_HOME": str(self.folder / "dagster_home"), "COLUMNS": "200"}
        return {**SMALL_ENV, **home}

    def file(self, name: str, month: str = "2024_05") -> Path:
        return self.folder / "data" / month / name

    def run(self, *arguments: str, status: int = 0, **environment: str) -> str:
        """What a command says; it ends with ``status``, and without a traceback."""
        with mock.patch.dict(os.environ, self.environment | environment):
            result = CliRunner().invoke(app, list(arguments))
        assert result.exit_code == status, result.output
        assert "Traceback" not in result.output
        return " ".join(result.output.split())

    def json(self, *arguments: str, status: int = 0) -> Any:
        with mock.patch.dict(os.environ, self.environment):
            result = CliRunner().invoke(app, [*arguments, "--json"])
        assert result.exit_code == status, result.output
        return json.loads(result.stdout)

    def reasons(self, month: str = "2024_05") -> dict[str, list[str]]:
        """Why datasets are not fresh, by ``status``; what is only waiting is none of them."""
        with mock.patch.dict(os.environ, self.environment):
            result = CliRunner().invoke(app, ["status", month, "--json"])
        assert result.exit_code in (0, 3), result.output
        found = {one["dataset"]: [r["text"] for r in one["reasons"]] for one in json.loads(result.stdout)["datasets"]}
        return {name: texts for name, texts in found.items() if texts}

    def stale_for_dagster(self, month: str = "2024_05") -> set[str]:
        with mock.patch.dict(os.environ, self.environment):
            instance = dg.DagsterInstance.get()
            graph = build_defs(self.settings).resolve_asset_graph()
            resolver = CachingStaleStatusResolver(instance, graph, LoadingContextForTest(instance))
            names = [name for name, dataset in DATASETS.items() if not dataset.on_request]
            return {name for name in names if resolver.get_status(dg.AssetKey(name), month) is not StaleStatus.FRESH}

    def contents(self, ignored: Sequence[str] = ()) -> dict[str, str]:
        """SHA-256 of every file of the specification and of the dictionary table."""
        found = [*(self.folder / "data").rglob("*"), *(self.folder / "warehouse").glob("rt_category_info_coupang/*/*")]
        return {
            str(path.relative_to(self.folder)): sha256_file(path)
            for path in sorted(found)
            if path.is_file() and path.name not in ignored
            if not any(part.startswith(".") for part in path.relative_to(self.folder).parts)
        }

    def edit(self, name: str, column: str, value: str, month: str = "2024_05") -> None:
        """A person opens a table, changes the first row that has something in a column, and saves it."""
        path = self.file(name, month)
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        table.loc[table.index[table[column] != ""][0], column] = value
        table.to_csv(path, index=False, lineterminator="\n")

    def copy(self, to: Path) -> "Root":
        shutil.copytree(self.folder, to)
        return Root(to)
