"""What a user is told when the server, the login or the table is not what was expected."""

import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from coupang_assets.commands.doctor import examine
from coupang_assets.errors import CoupangAssetsError, TransientError
from coupang_assets.products.connection import ServerSource
from coupang_assets.products.export import export_products
from coupang_assets.settings import ProductsSettings, Settings
from coupang_assets_tests.products.conftest import Database

SECRET = "hunter2-geheim"


def refused(server: Database, tmp_path: Path, **changes: Any) -> CoupangAssetsError:
    with pytest.raises(CoupangAssetsError) as caught:
        export_products(server.source(**changes), server.settings(**changes), tmp_path)
    assert SECRET not in str(caught.value)
    return caught.value


def test_an_absent_table_is_told_with_those_that_are_there(products: Database, tmp_path: Path) -> None:
    products.execute("CREATE VIEW public1.cheap AS SELECT * FROM public1.products")
    error = refused(products, tmp_path, table="produkte")
    assert "no table produkte; it has cheap, products" in error.what
    assert "COUPANG_PRODUCTS__TABLE" in error.remedy


def test_an_absent_schema_is_told_with_those_that_are_there(products: Database, tmp_path: Path) -> None:
    error = refused(products, tmp_path, schema_name="public2")
    assert "no schema public2; it has public, public1" in error.what
    assert "COUPANG_PRODUCTS__SCHEMA_NAME" in error.remedy


def test_an_absent_key_column_is_told_with_those_that_are_there(products: Database, tmp_path: Path) -> None:
    error = refused(products, tmp_path, key_column="pk")
    assert "no column pk; it has id, name, " in error.what
    assert "COUPANG_PRODUCTS__KEY_COLUMN" in error.remedy


def test_an_absent_database_is_no_reason_to_try_again(products: Database, tmp_path: Path) -> None:
    error = refused(products, tmp_path, database="elsewhere")
    assert not isinstance(error, TransientError)
    assert "elsewhere" in error.what
    assert "COUPANG_PRODUCTS__DATABASE" in error.remedy


@pytest.fixture
def locked(products: Database, server_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """A user who needs a password, may read the table, and is who we are."""
    access = server_folder / "data" / "pg_hba.conf"
    usual = access.read_text()
    access.write_text("local all locked scram-sha-256\n" + usual)
    products.execute(f"CREATE ROLE locked LOGIN PASSWORD '{SECRET}'")
    products.execute("GRANT USAGE ON SCHEMA public1 TO locked")
    products.execute("SELECT pg_reload_conf()")
    monkeypatch.setenv("PGUSER", "locked")
    monkeypatch.setenv("PGPASSWORD", SECRET)
    yield products
    access.write_text(usual)
    products.execute("DROP OWNED BY locked")
    products.execute("DROP ROLE locked")
    products.execute("SELECT pg_reload_conf()")


def test_the_password_is_libpqs_to_read(locked: Database, tmp_path: Path) -> None:
    locked.execute("GRANT SELECT ON public1.products TO locked")
    made = export_products(locked.source(), locked.settings(), tmp_path)
    assert made.rows == 40
    assert SECRET not in repr(made)
    assert SECRET not in locked.source().identity
    for file in tmp_path.iterdir():
        assert SECRET.encode() not in file.read_bytes()


def test_a_wrong_password_is_no_reason_to_try_again(
    locked: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", SECRET + "x")
    error = refused(locked, tmp_path)
    assert not isinstance(error, TransientError)
    assert "password authentication failed" in error.what
    assert "PGPASSWORD" in error.remedy


def test_no_password_where_one_is_wanted(locked: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PGPASSWORD")
    error = refused(locked, tmp_path)
    assert not isinstance(error, TransientError)
    assert "PGPASSWORD" in error.remedy


def test_a_user_who_may_not_read_is_told_so(locked: Database, tmp_path: Path) -> None:
    error = refused(locked, tmp_path)
    assert not isinstance(error, TransientError)
    assert "permission denied for table products" in error.what


@pytest.mark.parametrize("host", ["127.0.0.1", "/nowhere"])
def test_a_server_that_is_away_may_come_back(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setenv("PGHOST", host)
    monkeypatch.setenv("PGPORT", "9")
    error = refused(database, tmp_path)
    assert isinstance(error, TransientError)
    assert "PGHOST" in error.remedy


def looked_at(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> str:
    """What the doctor says of the products."""
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    output = io.StringIO()
    examine(
        Settings(_env_file=None, root=tmp_path / "root", products=database.settings(**changes)),
        Console(file=output, width=400),
    )
    return output.getvalue().partition("products")[2]


def test_the_doctor_looks_at_a_server_that_is_set(
    products: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = looked_at(products, tmp_path, monkeypatch)
    assert f"public1.products of {products.name}: 7 columns, key id, time of change modified_at" in said
    said = looked_at(products, tmp_path, monkeypatch, table="absent")
    assert "no table absent; it has products" in said


def test_without_the_driver_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    connect: Callable[[], Any] = ServerSource(ProductsSettings()).connect
    with pytest.raises(CoupangAssetsError, match="not installed") as caught, connect():
        pass
    assert "coupang-assets[products]" in caught.value.remedy
