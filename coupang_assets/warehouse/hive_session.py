"""One session with a HiveServer2: opened when needed, opened again once when it is lost, never waited for without end.

Belongs here: connecting, running statements, and what failures mean. Does not: any statement.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TypeVar

from coupang_assets.errors import CoupangAssetsError, TransientError
from coupang_assets.settings import WarehouseSettings

if TYPE_CHECKING:
    from pyhive.hive import Connection, Cursor

Parameters = Mapping[str, object]
T = TypeVar("T")

# Spark's server would else hold a whole result in its memory; Hive and Spark would else put their variables in the
# place of ``${…}`` inside a title. A server that does not know or allow one of these does without.
_PREFERRED = {
    "spark.sql.thriftServer.incrementalCollect": "true",
    "spark.sql.variable.substitute": "false",
    "hive.variable.substitute": "false",
}
_FIRST_POLL_SECONDS = 0.005
_LONGEST_POLL_SECONDS = 0.5
_CONNECTION_FAILURE_STATE = "08"


class ConnectionLostError(TransientError):
    """The session is gone; a new one may do better."""


class HiveSession:
    """See the module. One statement at a time; threads wait for each other."""

    def __init__(self, settings: WarehouseSettings) -> None:
        self._settings = settings
        self._connection: Connection | None = None
        self._lock = threading.RLock()

    @property
    def address(self) -> str:
        return f"HiveServer2 at {self._settings.host}:{self._settings.port}"

    def rows(self, statement: str, parameters: Parameters | None = None) -> list[tuple]:
        """All rows of a statement that may be run twice; none for one that has no result.

        Args:
            parameters: values of the statement's ``%(name)s``, escaped by PyHive.

        Raises:
            TransientError: the connection was lost again after it had been opened anew, or the answer takes too long.
            CoupangAssetsError: Hive refuses the statement or the login.
        """
        return self.repeated(lambda: self.rows_once(statement, parameters))

    def rows_once(self, statement: str, parameters: Parameters | None = None) -> list[tuple]:
        """Like :meth:`rows`, for what must not be run twice: a lost connection is reported."""
        with self.query(statement, parameters) as cursor:
            return cursor.fetchall() if cursor.description else []

    def repeated(self, action: Callable[[], T]) -> T:
        """The result of ``action``, done again on a new connection if the first was lost."""
        try:
            return action()
        except ConnectionLostError:
            return action()

    @contextmanager
    def query(self, statement: str, parameters: Parameters | None = None) -> Iterator["Cursor"]:
        """A cursor on the result of a statement, once the server has it ready.

        Raises:
            ConnectionLostError: at any moment of the block.
            CoupangAssetsError: Hive refuses the statement or the login.
        """
        from pyhive import hive

        with self._lock:
            if self._connection is None:
                self._connection = self._open()
            whole = False
            try:
                cursor = self._connection.cursor(arraysize=self._settings.fetch_rows)
                cursor.execute(statement, parameters, async_=True)
                self._wait(cursor)
                yield cursor
                cursor.close()
                whole = True
            except hive.OperationalError as error:
                raise self._refusal(error) from None
            except _connection_errors() as error:
                raise ConnectionLostError(
                    f"the connection to {self.address} was lost: {_short(error)}",
                    "see whether the server is up; a server that needs longer to answer: raise "
                    "COUPANG_WAREHOUSE__SILENCE_TIMEOUT_SECONDS",
                ) from None
            finally:
                # A session in the middle of an answer cannot be asked anything else.
                if not whole:
                    self.close()

    def close(self) -> None:
        """End the session; the next statement opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):
                connection._transport.close()

    def _wait(self, cursor: "Cursor") -> None:
        from TCLIService.ttypes import TOperationState

        started, pause = time.monotonic(), _FIRST_POLL_SECONDS
        while True:
            status = cursor.poll(get_progress_update=False)
            if status.operationState == TOperationState.FINISHED_STATE:
                return
            if status.operationState in (
                TOperationState.ERROR_STATE,
                TOperationState.CANCELED_STATE,
                TOperationState.CLOSED_STATE,
            ):
                raise _refused(status.errorMessage or "the statement was cancelled", status.sqlState)
            if time.monotonic() - started > self._settings.query_timeout_seconds:
                cursor.cancel()
                raise TransientError(
                    f"{self.address} did not finish a statement in {self._settings.query_timeout_seconds:g} s",
                    "see how busy Hive is, or raise COUPANG_WAREHOUSE__QUERY_TIMEOUT_SECONDS",
                )
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_POLL_SECONDS)

    def _open(self) -> "Connection":
        from pyhive import hive
        from thrift.Thrift import TException
        from thrift.transport.TSocket import TSocket

        settings = self._settings
        socket = TSocket(settings.host, settings.port)
        socket.setTimeout(settings.connect_timeout_seconds * 1000)
        try:
            connection = hive.Connection(
                thrift_transport=_transport(settings, socket),
                username=settings.username,
                database=settings.database,
                configuration=dict(settings.session),
            )
        except hive.OperationalError as error:
            raise CoupangAssetsError(
                f"{self.address} does not open a session: {_message(error)}",
                "correct COUPANG_WAREHOUSE__DATABASE or COUPANG_WAREHOUSE__SESSION",
            ) from None
        except Exception as error:  # SASL mechanisms raise their libraries' own kinds.
            raise self._not_open(error, isinstance(error, (*_connection_errors(), TException))) from None
        socket.setTimeout(settings.silence_timeout_seconds * 1000)
        for name, value in _PREFERRED.items():
            if name not in settings.session:
                with suppress(hive.OperationalError), connection.cursor() as cursor:
                    cursor.execute(f"SET {name}={value}")
        return connection

    def _not_open(self, error: Exception, of_connection: bool) -> CoupangAssetsError:
        from thrift.transport.TTransport import TTransportException

        settings = self._settings
        if isinstance(error, TTransportException) and str(error.message).startswith("Bad status"):
            return CoupangAssetsError(
                f"{self.address} refuses the login of {settings.username or 'this user'}: {_short(error)}",
                "correct COUPANG_WAREHOUSE__USERNAME, COUPANG_WAREHOUSE__PASSWORD and COUPANG_WAREHOUSE__AUTH",
            )
        if isinstance(error, TTransportException) and error.type == TTransportException.NOT_OPEN:
            return TransientError(
                f"{self.address} cannot be reached: {_short(error)}",
                "see whether it is up, or correct COUPANG_WAREHOUSE__HOST and COUPANG_WAREHOUSE__PORT",
            )
        if of_connection:
            return TransientError(
                f"{self.address} hung up or stayed silent during the login ({_short(error)})",
                f"if it goes on, the server is no HiveServer2, or COUPANG_WAREHOUSE__AUTH={settings.auth} is not its "
                "hive.server2.authentication",
            )
        hint = "run kinit, and install kerberos" if settings.auth == "KERBEROS" else "correct COUPANG_WAREHOUSE__AUTH"
        return CoupangAssetsError(f"login to {self.address} with {settings.auth} failed: {_short(error)}", hint)

    def _refusal(self, error: Exception) -> CoupangAssetsError:
        message = _message(error)
        if "Invalid SessionHandle" in message or "Invalid OperationHandle" in message:
            return ConnectionLostError(f"{self.address} has closed our session", "run again")
        status = getattr(error.args[0], "status", None) if error.args else None
        return _refused(message, getattr(status, "sqlState", None))


def _refused(message: str, state: str | None) -> CoupangAssetsError:
    short = message.strip().splitlines()[0][:500] if message.strip() else "no reason was given"
    if (state or "").startswith(_CONNECTION_FAILURE_STATE):
        return TransientError(f"Hive could not run a statement: {short}", "see Hive's log of the query")
    return CoupangAssetsError(f"Hive refuses a statement: {short}", "see Hive's log of the query")


def _transport(settings: WarehouseSettings, socket: object) -> object:
    """What PyHive would make, on a socket of ours, because its own never times out."""
    from thrift.transport.TTransport import TBufferedTransport

    if settings.auth == "NOSASL":
        return TBufferedTransport(socket)
    import thrift_sasl
    from pyhive.hive import get_installed_sasl

    mechanism = "GSSAPI" if settings.auth == "KERBEROS" else "PLAIN"
    # SASL's PLAIN wants a password even where the server looks at none.
    password = settings.password.get_secret_value() if settings.password else "none"
    return thrift_sasl.TSaslClientTransport(
        lambda: get_installed_sasl(
            host=settings.host,
            sasl_auth=mechanism,
            service=settings.kerberos_service_name,
            username=settings.username or _process_user(),
            password=password,
        ),
        mechanism,
        socket,
    )


def _process_user() -> str:
    import getpass

    return getpass.getuser()


def _connection_errors() -> tuple[type[Exception], ...]:
    from thrift.protocol.TProtocol import TProtocolException
    from thrift.transport.TTransport import TTransportException

    return (TTransportException, TProtocolException, OSError, EOFError)


def _message(error: Exception) -> str:
    status = getattr(error.args[0], "status", None) if error.args else None
    return str(getattr(status, "errorMessage", None) or error)


def _short(error: Exception) -> str:
    text = str(getattr(error, "message", None) or error).strip() or type(error).__name__
    return text.splitlines()[0][:300]
