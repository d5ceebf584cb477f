"""What a person is told when Spark is not there, cannot be reached, or goes away."""

import importlib.util
import os
import shutil
import socket
from pathlib import Path
from typing import Any

import ibis
import pytest

from coupang_assets.engines.spark import SparkEngine
from coupang_assets.errors import CoupangAssetsError, TransientError
from coupang_assets.settings import EngineSettings, SparkSettings


def engine_at(folder: Path, **spark: Any) -> SparkEngine:
    return SparkEngine(EngineSettings(kind="spark", spark=SparkSettings(**spark)), folder)


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_without_pyspark_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "pyspark" else real(name, *more)
    )
    with pytest.raises(CoupangAssetsError, match="pyspark is not installed") as caught:
        _ = engine_at(tmp_path).backend
    assert "coupang-assets[spark]" in caught.value.remedy


def test_without_java_it_says_which_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyspark")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(CoupangAssetsError, match="Java") as caught:
        _ = engine_at(tmp_path).backend
    assert "Java 17" in caught.value.remedy


@pytest.mark.parametrize("scheme", ["sc", "spark"])
def test_a_server_that_is_not_up_is_told_at_once_and_may_be_tried_again(tmp_path: Path, scheme: str) -> None:
    pytest.importorskip("pyspark")
    address = f"{scheme}://127.0.0.1:{closed_port()}"
    engine = engine_at(tmp_path, **{"remote" if scheme == "sc" else "master": address})
    with pytest.raises(TransientError, match=f"Spark at {address} does not answer: .*refused"):
        _ = engine.backend


def test_a_port_there_cannot_be_is_no_crash(tmp_path: Path) -> None:
    pytest.importorskip("pyspark")
    with pytest.raises(TransientError, match="does not answer"):
        _ = engine_at(tmp_path, remote="sc://127.0.0.1:99999").backend


@pytest.mark.slow
def test_a_java_process_that_was_killed_is_told_and_the_next_engine_works(tmp_path: Path) -> None:
    pyspark = pytest.importorskip("pyspark")
    if not (os.environ.get("JAVA_HOME") or shutil.which("java")):
        pytest.skip("Spark runs on Java 17, which is not here")
    rows = ibis.memtable({"n": [1, 2, 3]})
    engine = engine_at(tmp_path / "first", master="local[1]")
    assert engine.backend.execute(rows.n.sum()) == 6
    pyspark.SparkContext._gateway.proc.kill()
    with pytest.raises(CoupangAssetsError, match="Java process has ended"):
        engine.backend.execute(rows.n.max())
    engine.close()
    again = engine_at(tmp_path / "second", master="local[1]")
    assert again.backend.execute(rows.n.sum()) == 6
    again.close()
