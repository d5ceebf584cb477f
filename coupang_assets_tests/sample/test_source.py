import datetime as dt
import subprocess
import sys
from pathlib import Path

import pytest

from coupang_assets.errors import CoupangAssetsError
from coupang_assets.sample import SampleSource
from coupang_assets.sample.events import EventOptions
from coupang_assets.sample.generate import WorldOptions
from coupang_assets.sample.world import World

OPTIONS = WorldOptions(months=3, products=500)
EVENTS = EventOptions(events=500)


def test_the_world_is_made_once_and_then_loaded(tmp_path: Path) -> None:
    made = SampleSource(tmp_path, OPTIONS, EVENTS).world()
    stamp = (tmp_path / "world.json").stat().st_mtime_ns
    loaded = SampleSource(tmp_path, OPTIONS, EVENTS).world()
    assert loaded.products.equals(made.products)
    assert (tmp_path / "world.json").stat().st_mtime_ns == stamp


def test_processes_that_ask_at_once_get_the_same_world(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib, datetime; from coupang_assets.sample import SampleSource;"
        "from coupang_assets.sample.generate import WorldOptions;"
        "folder = pathlib.Path(sys.argv[1]);"
        "source = SampleSource(folder / 'world', WorldOptions(months=3, products=500));"
        "source.ensure_day(folder / 'table', datetime.date(2024, 4, 1)); print(len(source.world().products))"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    env = {"PYTHONPATH": ":".join(sys.path)}
    running = [subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    answers = {process.communicate(timeout=60)[0] for process in running}
    assert all(process.returncode == 0 for process in running)
    assert len(answers) == 1
    assert len(World.load(tmp_path / "world").products) == int(answers.pop())
    assert [path.name for path in (tmp_path / "table").rglob("*") if path.is_file()] == ["000000_0.orc"]


def test_a_day_is_written_only_when_absent(tmp_path: Path) -> None:
    source = SampleSource(tmp_path / "world", OPTIONS, EVENTS)
    path = source.ensure_day(tmp_path / "table", dt.date(2024, 2, 29))
    assert path == tmp_path / "table" / "day=20240229" / "000000_0.orc"
    first = path.read_bytes()
    path.write_bytes(b"kept")
    assert source.ensure_day(tmp_path / "table", dt.date(2024, 2, 29)).read_bytes() == b"kept"
    path.unlink()
    assert source.ensure_day(tmp_path / "table", dt.date(2024, 2, 29)).read_bytes() == first


def test_other_options_than_the_worlds_are_an_error(tmp_path: Path) -> None:
    SampleSource(tmp_path, OPTIONS).world()
    with pytest.raises(CoupangAssetsError, match="generated from"):
        SampleSource(tmp_path, WorldOptions(seed=9, months=3, products=500)).world()


def test_an_interrupted_save_is_made_anew(tmp_path: Path) -> None:
    whole = SampleSource(tmp_path, OPTIONS).world()
    (tmp_path / "world.json").unlink()
    (tmp_path / "products.parquet").write_bytes(b"torn")
    assert SampleSource(tmp_path, OPTIONS).world().products.equals(whole.products)


def test_a_damaged_world_is_not_silently_replaced(tmp_path: Path) -> None:
    SampleSource(tmp_path, OPTIONS).world()
    (tmp_path / "products.parquet").write_bytes(b"torn")
    with pytest.raises(CoupangAssetsError, match=r"products\.parquet"):
        SampleSource(tmp_path, OPTIONS).world()
    assert (tmp_path / "products.parquet").read_bytes() == b"torn"
