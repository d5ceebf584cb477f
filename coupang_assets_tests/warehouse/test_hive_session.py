"""What goes wrong between us and a HiveServer2."""

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from coupang_assets.errors import CoupangAssetsError, TransientError
from coupang_assets.settings import WarehouseSettings
from coupang_assets.warehouse.hive_session import ConnectionLostError, HiveSession
from coupang_assets.warehouse.hiveserver2 import HiveServer2Warehouse
from coupang_assets_tests.warehouse.conftest import DAY
from coupang_assets_tests.warehouse.event_table import EVENTS, create_table
from coupang_assets_tests.warehouse.spark_server import SparkServer, spark_server

SASL_BAD = 3


def settings(port: int, **others: object) -> WarehouseSettings:
    values = {"kind": "hiveserver2", "host": "127.0.0.1", "port": port, "username": "tester"}
    return WarehouseSettings.model_validate(
        values | {"connect_timeout_seconds": 1, "silence_timeout_seconds": 1} | others
    )


@contextmanager
def listening(answer: Callable[[socket.socket], object]) -> Iterator[int]:
    """A server that does ``answer`` with the first connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                answer(connection)

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]


def test_unreachable_server_may_be_back_later() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with pytest.raises(TransientError, match=f"127.0.0.1:{port} cannot be reached") as error:
        HiveSession(settings(port)).rows("SELECT 1")
    assert "COUPANG_WAREHOUSE__HOST" in error.value.remedy


@pytest.mark.parametrize("auth", ["NONE", "NOSASL"])
def test_silent_server_is_not_waited_for(auth: str) -> None:
    with listening(lambda connection: time.sleep(5)) as port:
        started = time.monotonic()
        with pytest.raises(TransientError, match="silent") as error:
            HiveSession(settings(port, auth=auth)).rows("SELECT 1")
        assert time.monotonic() - started < 4
        assert "COUPANG_WAREHOUSE__AUTH" in error.value.remedy


def test_refused_login_is_not_tried_again() -> None:
    def refuse(connection: socket.socket) -> None:
        connection.recv(1000)
        reason = b"Error validating the login"
        connection.sendall(struct.pack(">BI", SASL_BAD, len(reason)) + reason)
        connection.recv(1000)

    with listening(refuse) as port:
        session = HiveSession(settings(port, auth="LDAP", password="wrong-horse"))
        with pytest.raises(CoupangAssetsError, match="refuses the login of tester") as error:
            session.rows("SELECT 1")
    assert not isinstance(error.value, TransientError)
    assert "COUPANG_WAREHOUSE__PASSWORD" in error.value.remedy
    assert "wrong-horse" not in str(error.value) + repr(settings(1, auth="LDAP", password="wrong-horse"))


def test_something_else_on_the_port_is_named() -> None:
    with listening(lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as port:
        with pytest.raises(TransientError, match="login") as error:
            HiveSession(settings(port, auth="NOSASL")).rows("SELECT 1")
        assert "no HiveServer2" in error.value.remedy


def test_unknown_database_is_named(hive: SparkServer) -> None:
    with pytest.raises(CoupangAssetsError, match="nowhere") as error:
        HiveSession(hive.settings(database="nowhere")).rows("SELECT 1")
    assert "COUPANG_WAREHOUSE__DATABASE" in error.value.remedy


def test_values_are_never_part_of_a_statement(session: HiveSession) -> None:
    for value in ("x' OR '1'='1", "\\' OR 1=1 --", "${env:HOME}", "%(day)s", "줄\n바꿈"):
        assert session.rows("SELECT %(value)s", {"value": value}) == [(value,)]


def test_lost_connection_is_opened_again_once(hive: SparkServer) -> None:
    session = HiveSession(hive.settings())
    session.rows("SELECT 1")
    assert session._connection is not None
    session._connection._transport.close()
    assert session.rows("SELECT 2") == [(2,)]
    session.close()


def test_session_the_server_has_closed_is_opened_again(hive: SparkServer) -> None:
    from TCLIService.ttypes import TCloseSessionReq

    session = HiveSession(hive.settings())
    session.rows("SELECT 1")
    connection = session._connection
    assert connection is not None
    connection.client.CloseSession(TCloseSessionReq(connection.sessionHandle))
    assert session.rows("SELECT 2") == [(2,)]
    session.close()


def test_statement_that_takes_too_long_is_cancelled(hive: SparkServer) -> None:
    session = HiveSession(hive.settings(query_timeout_seconds=1))
    started = time.monotonic()
    with pytest.raises(TransientError, match="did not finish a statement in 1 s"):
        session.rows("SELECT java_method('java.lang.Thread', 'sleep', 1000L), count(*) FROM range(30) GROUP BY 1")
        session.rows("SELECT sum(a.id * b.id) FROM range(3000000) a CROSS JOIN range(3000000) b")
    assert time.monotonic() - started < 30


def test_refused_statement_says_why(session: HiveSession) -> None:
    with pytest.raises(CoupangAssetsError, match=r"Hive refuses a statement.*PARSE") as error:
        session.rows("SELEC 1")
    assert not isinstance(error.value, TransientError)


@pytest.mark.parametrize("auth", ["NONE", "NOSASL"])
def test_server_that_dies_while_rows_are_fetched(auth: str, warehouse_folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyspark")
    with spark_server(tmp_path / "server", auth=auth) as server:
        create_table(HiveSession(server.settings(auth=auth)), warehouse_folder / EVENTS.table)
        options = server.settings(auth=auth, read_events="wire", silence_timeout_seconds=30)
        warehouse = HiveServer2Warehouse(options, EVENTS, tmp_path / "spill")
        assert warehouse.events(DAY).dataset.count_rows() > 400
        session = HiveSession(options)
        with (
            pytest.raises(ConnectionLostError, match="was lost"),
            session.query("SELECT id FROM range(5000000)") as rows,
        ):
            rows.fetchone()
            server.kill()
            rows.fetchall()
        started = time.monotonic()
        with pytest.raises(TransientError, match="cannot be reached"):
            warehouse.events(DAY)
        assert time.monotonic() - started < 30
    assert not list((tmp_path / "spill").rglob("*.tmp"))


def test_hostile_settings_never_reach_hive() -> None:
    from pydantic import ValidationError

    from coupang_assets.settings import DictionaryTableSettings, EventsSettings

    hostile = "day' OR 1=1"
    for build in (
        lambda: EventsSettings(day_column=hostile),
        lambda: EventsSettings(table="events; DROP TABLE events"),
        lambda: EventsSettings(rt_cd="300 OR 1=1"),  # type: ignore[arg-type]
        lambda: DictionaryTableSettings(table=hostile),
        lambda: DictionaryTableSettings(location="hdfs://ha-cluster/x' TBLPROPERTIES ('a'='b"),
        lambda: settings(1, database="default`; SELECT 1"),
        lambda: settings(1, host="hive/../x y"),
        lambda: settings(1, session={"hive.x": "1; SET a=b"}),
    ):
        with pytest.raises(ValidationError):
            build()


def test_settings_that_do_not_go_together_are_refused() -> None:
    for wrong in (
        {"kind": "hiveserver2"},
        {"auth": "LDAP", "username": "me"},
        {"auth": "NOSASL", "password": "secret"},
        {"auth": "PLAIN"},
    ):
        with pytest.raises(ValueError, match=r"needs|password|NONE"):
            WarehouseSettings.model_validate(wrong)
