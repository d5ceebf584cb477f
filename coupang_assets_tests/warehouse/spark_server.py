"""A real HiveServer2 for tests: the Spark Thrift Server of PyPI's pyspark, on a loopback port.

The same process is a Spark Connect server, so that an engine can read the tables of its metastore.
"""

import ctypes
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from coupang_assets.settings import WarehouseSettings

_START_SECONDS = 120.0
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class SparkServer:
    """A running server."""

    port: int
    connect_port: int
    process: subprocess.Popen

    def settings(self, **others: object) -> WarehouseSettings:
        values = {
            "kind": "hiveserver2",
            "host": "127.0.0.1",
            "port": self.port,
            "username": "tester",
            # Its first session makes the metastore, which a busy machine takes its time for.
            "connect_timeout_seconds": _START_SECONDS,
        }
        return WarehouseSettings.model_validate(values | others)

    def kill(self) -> None:
        """At once, as when its machine is gone."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@contextmanager
def spark_server(folder: Path, *, auth: str = "NONE") -> Iterator[SparkServer]:
    """A server with its own metastore and warehouse in ``folder``; it does not outlive the block or this process."""
    import pyspark

    home = Path(pyspark.__file__).parent
    port, connect_port = _free_port(), _free_port()
    temporary = folder / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    configuration = {
        "spark.ui.enabled": "false",
        "spark.plugins": "org.apache.spark.sql.connect.SparkConnectPlugin",
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": str(connect_port),
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.local.dir": str(folder / "local"),
        "spark.driver.extraJavaOptions": f"-Dderby.system.home={folder} -Djava.io.tmpdir={temporary}",
    }
    hive = {
        "hive.server2.thrift.port": port,
        "hive.server2.thrift.bind.host": "127.0.0.1",
        "hive.server2.authentication": auth,
        "javax.jdo.option.ConnectionURL": f"jdbc:derby:;databaseName={folder / 'metastore'};create=true",
    }
    command = [
        str(home / "bin" / "spark-submit"),
        *("--master", "local[2]", "--driver-memory", "1g"),
        *("--class", "org.apache.spark.sql.hive.thriftserver.HiveThriftServer2"),
        *(part for name, value in configuration.items() for part in ("--conf", f"{name}={value}")),
        "spark-internal",
        *(part for name, value in hive.items() for part in ("--hiveconf", f"{name}={value}")),
    ]
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=os.environ | {"SPARK_HOME": str(home)},
            start_new_session=True,
            preexec_fn=_die_with_parent,
        )
    server = SparkServer(port, connect_port, process)
    try:
        _wait_until_up(server, log)
        yield server
    finally:
        if process.poll() is None:
            server.kill()


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _wait_until_up(server: SparkServer, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and server.process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", server.port), 1).close()
            return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError("the Spark Thrift Server did not start:\n" + log.read_text(errors="replace")[-3000:])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
