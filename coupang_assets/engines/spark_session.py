"""Spark's session: how it is started, and how its errors are told. Imports pyspark, so it is imported when it is used.

Belongs here: what is peculiar to Spark's processes. Does not: reading and writing (``spark``).
"""

import errno
import gc
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar
from weakref import WeakSet

import ibis.expr.types as ir
from ibis.backends.pyspark import Backend
from py4j.protocol import Py4JError, Py4JNetworkError
from pyspark import SparkContext
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from coupang_assets.engines.spill import SpillFolder
from coupang_assets.errors import CoupangAssetsError, TransientError
from coupang_assets.settings import EngineSettings

_SESSION = {
    # A cast that fails is an error and not a null, whatever the cluster's default is.
    "spark.sql.ansi.enabled": "true",
    "spark.sql.parser.escapedStringLiterals": "false",
}
_LOG4J = """\
rootLogger.level = error
rootLogger.appenderRef.stderr.ref = stderr
appender.stderr.type = Console
appender.stderr.name = stderr
appender.stderr.target = SYSTEM_ERR
appender.stderr.layout.type = PatternLayout
appender.stderr.layout.pattern = Spark: %p %c{1}: %m%n
# Every failure of a job comes back as an error, which is told once and in short.
logger.quiet.name = org.apache.spark
logger.quiet.level = off
"""
_MIB = {"K": 1 / 1024, "M": 1.0, "G": 1024.0, "T": 1024.0**2}
_SMALLEST_HEAP_MIB = 512
_JAVA_CLASS = re.compile(r"^(?:[a-z][\w$]*\.)+[A-Z][\w$.]*: ")
_OUT_OF_MEMORY = ("OutOfMemoryError", "Java heap space", "exit code 137", "Container killed by YARN for exceeding")
_UNREACHABLE = ("UNAVAILABLE", "All masters are unresponsive", "failed to connect to all addresses")
# py4j's words for a gateway without anybody behind it.
_GONE = ("does not exist in the JVM", "Answer from Java side is empty")
_LONGEST = 400
_END_SECONDS = 30


# Ibis does this for those who ask it for a backend by name.
Backend.register_options()


class SparkBackend(Backend):
    """Ibis' backend, with errors that people understand."""

    def execute(self, expr: ir.Expr, /, **kwargs: Any) -> Any:
        with told("Spark"):
            return super().execute(expr, **kwargs)


class SharedSession:
    """The process's one session: started by the first engine that needs it, stopped with the last.

    Spark has no more than one in a process, and it spills where it was started.
    """

    _lock: ClassVar[threading.RLock] = threading.RLock()
    _users: ClassVar[WeakSet[Any]] = WeakSet()
    _session: ClassVar[SparkSession | None] = None
    _settings: ClassVar[EngineSettings | None] = None
    _spill: ClassVar[SpillFolder | None] = None

    @classmethod
    def open(cls, user: object, settings: EngineSettings, spill: SpillFolder) -> SparkSession:
        """The session; ``user`` counts until it closes it or is gone.

        Raises:
            CoupangAssetsError: one with other settings is in use.
        """
        with cls._lock:
            if cls._session is not None and cls._settings != settings:
                gc.collect()
                if cls._users:
                    raise CoupangAssetsError("this process has a Spark session with other settings", "close it first")
                cls._stop()
            if cls._session is None:
                cls._session = _start(settings, spill.path)
                cls._settings, cls._spill = settings, spill
            cls._users.add(user)
            return cls._session

    @classmethod
    def close(cls, user: object) -> None:
        """``user`` needs it no longer."""
        with cls._lock:
            cls._users.discard(user)
            if not cls._users:
                cls._stop()

    @classmethod
    def _stop(cls) -> None:
        if cls._session is not None:
            with suppress(Py4JError, ConnectionError):
                cls._session.stop()
            _end_java()
        if cls._spill is not None:
            cls._spill.remove()
        cls._session = cls._settings = cls._spill = None


def _end_java() -> None:
    """End the Java process, and let go of it, so that the next session starts another.

    Pyspark would keep it, with its memory, and it goes on with the temporary folder of its first session. It ends when
    its standard input does.
    """
    if (gateway := SparkContext._gateway) is not None and (process := gateway.proc) is not None:
        with suppress(Py4JError, OSError):
            gateway.shutdown()
        process.stdin.close()
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    SparkContext._active_spark_context = None
    SparkContext._gateway = SparkContext._jvm = None
    SparkSession._instantiatedSession = None
    # Set by a session on a remote server, and it outlives it.
    os.environ.pop("SPARK_CONNECT_MODE_ENABLED", None)


@contextmanager
def told(doing: str, remedy: str = "") -> Iterator[None]:
    """Translate Spark's errors in the block; ``doing`` begins the sentence that says what failed.

    Raises:
        CoupangAssetsError: what Spark says, in a line.
        TransientError: it cannot be reached.
        OSError: a disk is full.
    """
    try:
        yield
    except (PySparkException, Py4JError, ConnectionError) as error:
        raise _explained(doing, remedy, error) from None


def meaning(error: object) -> str:
    """The one line of a Java stack trace that says what went wrong: the innermost cause."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    causes = [line.removeprefix("Caused by: ") for line in lines if line.startswith("Caused by: ")]
    line = causes[-1] if causes else next(iter(lines), type(error).__name__)
    line = _JAVA_CLASS.sub("", line)
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"


def _explained(doing: str, remedy: str, error: Exception) -> Exception:
    text = str(error)
    if os.strerror(errno.ENOSPC) in text:
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), doing)
    if any(sign in text for sign in _OUT_OF_MEMORY):
        return CoupangAssetsError(
            f"{doing}: Spark ran out of memory: {meaning(error)}",
            "raise COUPANG_ENGINE__MEMORY_LIMIT; on a cluster spark.executor.memory in COUPANG_ENGINE__SPARK__CONF",
        )
    if any(sign in text for sign in _UNREACHABLE):
        return TransientError(f"{doing}: Spark cannot be reached: {meaning(error)}", "see whether its server is up")
    if isinstance(error, Py4JNetworkError | ConnectionError) or any(sign in text for sign in _GONE):
        return CoupangAssetsError(
            f"{doing}: Spark's Java process has ended; the system may have killed it for memory",
            "free memory or lower COUPANG_ENGINE__MEMORY_LIMIT, and run again",
        )
    return CoupangAssetsError(f"{doing}: {meaning(error)}", remedy or "look into Spark's own log for more")


def _start(settings: EngineSettings, spill_folder: Path) -> SparkSession:
    spark = settings.spark
    with told("starting Spark", "see COUPANG_ENGINE__SPARK__…"):
        if spark.remote is not None:
            session = SparkSession.builder.remote(spark.remote).getOrCreate()
        else:
            builder = SparkSession.builder.master(spark.master).appName("coupang_assets")
            for name, value in _configuration(settings, spill_folder).items():
                builder = builder.config(name, value)
            session = builder.getOrCreate()
        for name, value in _SESSION.items():
            session.conf.set(name, value)
    return session


def _configuration(settings: EngineSettings, spill_folder: Path) -> dict[str, str]:
    spark = settings.spark
    log4j = spill_folder / "log4j2.properties"
    log4j.write_text(_LOG4J, encoding="utf-8")
    ours = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.local.dir": str(spill_folder),
        "spark.sql.warehouse.dir": str(spill_folder / "warehouse"),
    }
    if spark.master.startswith("local"):
        ours |= {
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.host": "127.0.0.1",
            "spark.driver.memory": f"{_mebibytes(settings.memory_limit)}m",
        }
    if spark.metastore is not None:
        ours |= {"spark.sql.catalogImplementation": "hive", "spark.hadoop.hive.metastore.uris": spark.metastore}
    ours |= spark.conf
    # Java unpacks libraries there, which a process that is killed leaves.
    java = f'-Djava.io.tmpdir="{spill_folder}" -Dlog4j2.configurationFile="{log4j.as_uri()}"'
    theirs = ours.get("spark.driver.extraJavaOptions", "")
    return ours | {"spark.driver.extraJavaOptions": f"{java} {theirs}".strip()}


def _mebibytes(size: str) -> int:
    number, unit = re.fullmatch(r"([\d.]+)\s*([KMGT])i?B", size).groups()  # type: ignore[union-attr]
    return max(_SMALLEST_HEAP_MIB, int(float(number) * _MIB[unit]))
