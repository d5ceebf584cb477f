"""The ``coupang-assets`` command: what a person types, reads and gets as exit status."""

import signal
import socket
import subprocess
import sys
import time
import urllib.request
from datetime import datetime
from pathlib import Path

import psutil
import pytest
from dagster import DagsterInstance
from typer.testing import CliRunner, Result

from coupang_assets.cli import app
from coupang_assets.datasets import DATASETS
from coupang_assets.months import SEOUL, add_months, current_month
from coupang_assets_tests.months import SMALL_ENV
from coupang_assets_tests.test_month import refusing_shop


@pytest.fixture(autouse=True)
def small_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The command's own environment: a root that is not there yet, small months, a wide terminal."""
    root = tmp_path / "root"
    for name, value in {**SMALL_ENV, "COUPANG_ROOT": str(root), "DAGSTER_HOME": str(root / "dagster_home")}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    return root


def coupang_assets(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def refused(*arguments: str) -> str:
    """What is said by a command that ends with status 1 and does not crash."""
    result = coupang_assets(*arguments)
    assert result.exit_code == 1, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert "Traceback" not in result.output
    return result.output


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ((), ["run", "ui", "predict", "doctor", "sample", "COUPANG_ROOT", "coupang-assets run 2024_05"]),
        (("run",), ["MONTH", "YYYY_MM", "--select", "--base", "Safe to stop"]),
        (("ui",), ["--port", "--host", "127.0.0.1"]),
        (("predict",), ["MONTH", "TITLE", "--top", "--model"]),
        (("champion",), ["--history"]),
        (("taxonomy", "accept"), ["MONTH", "accepted=yes"]),
        (("doctor",), ["root", "disk", "Hive", "shop", "engine"]),
        (("sample",), ["--products", "--tree", "--out", "--first"]),
    ],
)
def test_help_says_what_can_be_given(command: tuple[str, ...], words: list[str]) -> None:
    result = coupang_assets(*command, "--help")
    assert result.exit_code == 0
    assert not [word for word in words if word not in result.output]


def test_a_wrong_option_is_a_usage_error() -> None:
    assert coupang_assets("run").exit_code == 2
    assert coupang_assets("run", "2024_05", "--month").exit_code == 2
    assert coupang_assets("ui", "--port", "0").exit_code == 2


@pytest.mark.parametrize(
    ("month", "said"),
    [
        ("may", "'may' is no month"),
        ("2024_13", "is no month"),
        ("[/red]", "'[/red]' is no month"),
        ("2023_12", "2023_12 is before the first work month 2024_01"),
        (add_months(current_month(datetime.now(SEOUL)), 1), "is in the future"),
    ],
)
@pytest.mark.parametrize("command", [("run",), ("predict", "제목")])
def test_a_month_that_cannot_be_worked_on_is_refused(
    command: tuple[str, ...], month: str, said: str, small_root: Path
) -> None:
    output = refused(command[0], month, *command[1:])
    assert said in output
    assert "What to do:" in output
    assert not (small_root / "data").exists()


def test_a_setting_that_does_not_hold_is_named_but_not_repeated(
    monkeypatch: pytest.MonkeyPatch, small_root: Path
) -> None:
    monkeypatch.setenv("COUPANG_EVENTS__DAY_COLUMN", "day' OR 1=1")
    for command in (("run", "2024_05"), ("doctor",), ("predict", "2024_05", "x"), ("ui",)):
        output = refused(*command)
        assert "COUPANG_EVENTS__DAY_COLUMN" in output
        assert "OR 1=1" not in output
    assert not small_root.exists()


@pytest.mark.parametrize("command", [("run", "2024_05"), ("ui",)])
def test_a_root_that_cannot_be_written_is_said(command: tuple[str, ...], small_root: Path) -> None:
    small_root.write_text("a file where the folder should be")
    output = refused(*command)
    assert f"{small_root}/dagster_home cannot be written" in output
    assert "COUPANG_ROOT" in output


@pytest.mark.parametrize(
    ("base", "said"),
    [
        ("2024_04", "2024_04 cannot be the base month of 2024_05"),
        ("2024_05", "cannot be the base month"),
        ("april", "'april' is no month"),
    ],
)
def test_a_base_month_that_cannot_be_one_is_refused_before_anything_is_made(
    base: str, said: str, small_root: Path
) -> None:
    assert said in refused("run", "2024_05", "--base", base)
    assert not (small_root / "data").exists()


@pytest.mark.parametrize("select", ["no_such_dataset", "))", "key:", "coupang_shop", ""])
def test_a_selection_of_nothing_is_refused(select: str, small_root: Path) -> None:
    output = refused("run", "2024_05", "--select", select)
    assert "--select" in output and "new_unique or updated_unique" in output and "cate_dictionary" in output
    assert not (small_root / "data").exists()


def test_a_selection_is_made_and_nothing_else(small_root: Path) -> None:
    result = coupang_assets("run", "2024_05", "--select", "raw_dailies or new_unique")
    assert result.exit_code == 0, result.output
    assert "2024_05 is done" in result.output
    assert "data/2024_05/new_unique.csv" in result.output
    month = small_root / "data" / "2024_05"
    assert sorted(path.name for path in month.iterdir() if not path.name.startswith(".")) == ["new_unique.csv", "raw"]


def test_what_a_selection_needs_and_is_not_there_is_said(small_root: Path) -> None:
    output = refused("run", "2024_05", "--select", "new_unique")
    assert "new_unique failed: raw_dailies of 2024_05 is not there" in output
    assert "materialize raw_dailies for 2024_05" in output


def test_a_month_that_fails_says_why_and_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUPANG_SAMPLE__ENABLED", "false")
    output = refused("run", "2024_05")
    assert "raw_dailies failed: retargeting_event_storage_orc has no partition for 20240401, 20240405" in output
    assert "COUPANG_SAMPLING__ALLOW_MISSING_DAYS=true" in output
    assert "Not everything is done" in output


def test_predicting_without_a_model_says_what_to_materialize() -> None:
    output = refused("predict", "2024_05", "사과 5kg")
    assert "btm_percent_dict of 2024_05 is not there" in output
    assert "materialize btm_percent_dict for 2024_05" in output


def test_the_doctor_tells_of_a_setting_there_is_none_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUPANG_TRAINNING__CAP", "1")
    result = coupang_assets("doctor")
    assert result.exit_code == 0, result.output
    assert "COUPANG_TRAINNING__CAP is no setting of this project" in result.output


def test_the_doctor_finds_a_fresh_place_usable() -> None:
    result = coupang_assets("doctor")
    assert result.exit_code == 0, result.output
    assert [line.split()[:2] for line in result.output.splitlines()] == [
        ["ok", part] for part in ("root", "disk", "hive", "shop", "engine", "dagster")
    ]


def test_the_doctor_says_what_is_wrong_and_goes_on(monkeypatch: pytest.MonkeyPatch, small_root: Path) -> None:
    monkeypatch.setenv("COUPANG_SAMPLE__ENABLED", "false")
    monkeypatch.setenv("COUPANG_SHOP__BASE_URL", "http://127.0.0.1:9/")
    output = refused("doctor")
    found = {line.split()[1]: line.split()[0] for line in output.splitlines() if line.startswith(("ok", "wrong"))}
    assert found == {"root": "ok", "disk": "ok", "hive": "wrong", "shop": "wrong", "engine": "ok", "dagster": "ok"}
    assert "COUPANG_SHOP__BASE_URL" in output
    small_root.with_name("file").write_text("")
    monkeypatch.setenv("COUPANG_ROOT", str(small_root.with_name("file")))
    monkeypatch.setenv("DAGSTER_HOME", str(small_root.with_name("file") / "home"))
    output = refused("doctor")
    assert "wrong  root" in output
    assert "wrong  dagster" in output


@pytest.mark.slow
def test_a_month_is_run_shown_and_used_to_predict(small_root: Path) -> None:
    result = coupang_assets("run", "2024_05")
    assert result.exit_code == 0, result.output
    made = [name for name, dataset in DATASETS.items() if not dataset.on_request]
    assert not [name for name in made if name not in result.output]
    assert result.output.count("passed") == 10
    assert "Warning" not in result.output
    with DagsterInstance.from_config(str(small_root / "dagster_home")) as instance:
        (record,) = instance.get_run_records()
        assert record.dagster_run.is_success
        assert record.dagster_run.tags["dagster/partition"] == "2024_05"

    titles = ["[/무료배송] 사과 5kg", "[apple] 에어팟", "\x00\n😀", "가" * 4000, "zzzz"]
    result = coupang_assets("predict", "2024_05", *titles, "--top", "2")
    assert result.exit_code == 0, result.output
    assert "[/무료배송] 사과 5kg" in result.output
    assert "[apple] 에어팟" in result.output
    assert "%" in result.output
    assert " > " in result.output

    model = small_root / "data" / "2024_05" / "btm_percent_dict_2024_05.pickle"
    model.write_bytes(model.read_bytes()[:-1])
    assert "is not what was written" in refused("predict", "2024_05", "사과", "--model", "biterm")


@pytest.mark.slow
def test_a_check_that_fails_is_a_failure_of_the_command(monkeypatch: pytest.MonkeyPatch, small_root: Path) -> None:
    monkeypatch.setenv("COUPANG_SHOP__RETRIES", "0")
    monkeypatch.setenv("COUPANG_SHOP__DELAY_SECONDS", "0")
    with refusing_shop() as shop:
        monkeypatch.setenv("COUPANG_SHOP__BASE_URL", shop.describe())
        output = refused("run", "2024_05")
    assert "FAILED" in output
    assert "new categories named: 0 of" in output
    assert not (small_root / "data" / "2024_05" / "cate_dictionary.csv").exists()


@pytest.mark.slow
def test_stopping_a_run_by_hand_leaves_it_to_be_gone_on_with(small_root: Path) -> None:
    run = subprocess.Popen(
        [sys.executable, "-m", "coupang_assets.cli", "run", "2024_05"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert run.stdout is not None
    output = b""
    for line in run.stdout:
        output += line
        if b"crawl_candidates: done" in line or b"new_unique: done" in line:
            run.send_signal(signal.SIGINT)
            break
    rest, _ = run.communicate(timeout=120)
    said = (output + rest).decode()
    assert run.returncode == 130, said
    assert "Stopped. What is done stays" in said
    assert "Traceback" not in said
    assert (small_root / "data" / "2024_05" / "raw" / "20240401.csv").exists()


@pytest.mark.slow
def test_the_ui_starts_with_a_history_that_lasts_and_stops_whole(small_root: Path, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = (tmp_path / "log").open("w")
    ui = subprocess.Popen(
        [sys.executable, "-m", "coupang_assets.cli", "ui", "--port", str(port)], stdout=log, stderr=log
    )
    try:
        deadline = time.monotonic() + 90
        status = 0
        while status != 200:
            assert ui.poll() is None and time.monotonic() < deadline, (tmp_path / "log").read_text()
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/server_info", timeout=5) as response:
                    status = response.status
            except OSError:
                time.sleep(0.5)
    finally:
        children = psutil.Process(ui.pid).children(recursive=True)
        ui.send_signal(signal.SIGTERM)
        ui.wait(60)
        log.close()
        psutil.wait_procs(children, timeout=30)
        assert not [child for child in children if child.is_running()], "nothing is left running"
    assert (small_root / "dagster_home" / "dagster.yaml").exists()
    assert (small_root / "dagster_home" / "history").is_dir()
