"""``coupang-assets status`` and ``refresh``: what a person reads, and the exit status."""

import json
import re
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from coupang_assets.cli import app
from coupang_assets.datasets import DATASETS
from coupang_assets.definitions import defs
from coupang_assets.refresh.graph import Graph
from coupang_assets_tests.months import SMALL_ENV
from coupang_assets_tests.storage.test_run_lock import held_elsewhere

MONTH = "2024_05"
MONTHLY = [name for name, dataset in DATASETS.items() if not dataset.on_request]


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A root that is not there yet."""
    root = tmp_path / "root"
    for name, value in {**SMALL_ENV, "COUPANG_ROOT": str(root), "DAGSTER_HOME": str(root / "dagster_home")}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    return root


def coupang_assets(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def test_the_status_of_a_month_never_made_lists_everything_and_makes_nothing(root: Path) -> None:
    result = coupang_assets("status", MONTH)
    assert result.exit_code == 3
    assert not [name for name in MONTHLY if name not in result.output]
    assert result.output.count("was never made") == len(MONTHLY)
    assert f"coupang-assets refresh {MONTH}" in result.output
    assert not root.exists()


@pytest.mark.parametrize("command", [("status", MONTH), ("refresh", MONTH, "--dry-run")])
def test_in_a_narrow_terminal_reasons_are_lines_below_the_table(
    command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coupang_assets.cli._console", Console(width=80))
    lines = coupang_assets(*command).stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert "raw_dailies: was never made" in lines
    assert len([line for line in lines if line.startswith("│ ")]) == len(MONTHLY)


def test_the_status_is_given_to_machines_too(root: Path) -> None:
    result = coupang_assets("status", MONTH, "--json")
    assert result.exit_code == 3
    said = json.loads(result.stdout)
    assert (said["month"], said["fresh"], said["later"]) == (MONTH, False, [])
    assert {one["dataset"]: one["state"] for one in said["datasets"]} == dict.fromkeys(MONTHLY, "missing")
    assert not root.exists()


def test_a_dry_run_shows_the_plan_and_runs_nothing(root: Path) -> None:
    result = coupang_assets("refresh", MONTH, "--dry-run")
    assert result.exit_code == 0
    assert f"{len(MONTHLY)} would be made" in result.output
    assert not root.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("status", "may"), "'may' is no month"),
        (("refresh", "2023_12"), "is before the first work month"),
        (("refresh", MONTH, "--through", "2024_04"), "--through 2024_04 is before 2024_05"),
        (("refresh", MONTH, "--through", "2999_01"), "is in the future"),
    ],
)
def test_months_that_cannot_be_are_told(arguments: tuple[str, ...], said: str, root: Path) -> None:
    result = coupang_assets(*arguments)
    assert result.exit_code == 1
    assert said in result.output
    assert not root.exists()


def test_a_folder_written_before_us_is_not_hidden_by_a_new_one(root: Path) -> None:
    (root / "data" / "2024-05").mkdir(parents=True)
    (root / "data" / "2024-05" / "coupang_cate_all.csv").write_text("")
    result = coupang_assets("refresh", MONTH)
    assert result.exit_code == 1
    assert "written before us" in result.output
    assert not (root / "data" / MONTH).exists()


@pytest.mark.parametrize("command", [("run",), ("refresh",), ("recheck",)])
def test_a_month_that_is_at_work_is_refused_with_a_clear_word(command: tuple[str], root: Path) -> None:
    with held_elsewhere(root, MONTH, "first-run") as holder:
        result = coupang_assets(*command, MONTH)
    assert result.exit_code == 1
    told = " ".join(result.output.split())
    assert re.search(rf"another run is at work on {MONTH} \(run first-run, process {holder.pid}, since 20", told)
    assert not (root / "data").exists()


@pytest.mark.slow
def test_a_month_is_made_by_a_refresh_and_then_fresh(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = coupang_assets("refresh", MONTH)
    assert result.exit_code == 0, result.output
    assert result.output.count("made, changed") == len(MONTHLY)
    assert "coupang_train: done" in result.output
    assert coupang_assets("status", MONTH).exit_code == 0
    again = coupang_assets("refresh", MONTH)
    assert again.exit_code == 0
    assert "nothing was stale, nothing was run" in again.output

    monkeypatch.setenv("COUPANG_TRAINING__CAP", "2")
    status = coupang_assets("status", MONTH)
    assert status.exit_code == 3
    assert "training.cap was 3000 and is 2" in status.output
    assert "it begins with coupang_train@2024_05" in status.output
    following = len(Graph.of(defs).following("coupang_train"))
    assert f"1 would be made; {following} more only if" in coupang_assets("refresh", MONTH, "--dry-run").output

    (root / "data" / MONTH / "coupang_cate_all.csv").write_text("half-finished\n")
    failed = coupang_assets("refresh", MONTH)
    assert failed.exit_code == 1
    assert "coupang_cate_all.csv" in failed.output
    assert "Not everything is fresh" in failed.output
    assert "not run" in failed.output
