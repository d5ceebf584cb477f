"""What the tests of more than one room need: settings with a root of their own, an engine, quiet logs."""

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from coupang_assets.engines.duckdb import DuckDBEngine
from coupang_assets.settings import EngineSettings, Settings
from coupang_assets.storage.layout import Layout

# Machines that run these tests differ in speed; a slow example is no failure.
hypothesis_settings.register_profile(
    "coupang", deadline=None, max_examples=8, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("coupang")
# What commands print is compared; consoles ask for the width when they are made, which may be at import.
os.environ["COLUMNS"] = "200"
logging.getLogger("dagster").setLevel(logging.CRITICAL)


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test depends on how the person who runs it has set the project up."""
    for name in list(os.environ):
        if (
            name == "DAGSTER_HOME"
            or name.startswith("PG")
            or (name.startswith("COUPANG_") and name != "COUPANG_SHARED")
        ):
            monkeypatch.delenv(name)


@pytest.fixture
def make_settings(tmp_path: Path) -> Callable[..., Settings]:
    """Settings under a temporary root; keyword arguments are what a test wants different."""

    def make(**changes: Any) -> Settings:
        return Settings(_env_file=None, **{"root": tmp_path / "root"} | changes)

    return make


@pytest.fixture
def settings(make_settings: Callable[..., Settings]) -> Settings:
    return make_settings()


@pytest.fixture
def layout(settings: Settings) -> Layout:
    return Layout(settings)


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DuckDBEngine]:
    """One engine for all tests; two threads, so that an order that depends on threads shows."""
    engine = DuckDBEngine(EngineSettings(threads=2), tmp_path_factory.mktemp("spill"))
    yield engine
    engine.close()
