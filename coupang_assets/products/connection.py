"""Connecting to PostgreSQL, and what can go wrong with a server, told to people.

Host, port, user and password are libpq's own variables (`PGHOST`, `PGPORT`, `PGUSER`, `PGPASSWORD`, a password file, a
service): libpq reads them, this project never sees the password. Belongs here: connections and the translation of
their errors. Does not: any statement.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from coupang_assets.errors import CoupangAssetsError, TransientError
from coupang_assets.settings import ProductsSettings

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.Connection[tuple[Any, ...]]

# A server that refuses us at login but may not do so in a minute.
_PASSING_REFUSALS = ("starting up", "shutting down", "in recovery mode", "too many", "remaining connection slots")
_KEEPALIVE = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}


class ProductsSource(Protocol):
    """A server that has the product table."""

    @property
    def identity(self) -> str:
        """Which server it is: an export of one is no beginning for an export of another."""
        ...

    def connect(self) -> AbstractContextManager["Connection"]:
        """A connection in autocommit.

        Raises:
            CoupangAssetsError: the server refuses us, or the driver is not installed.
            TransientError: the server is away, or is lost while the block runs.
        """
        ...


class ServerSource:
    """The server that libpq's variables name."""

    def __init__(self, settings: ProductsSettings) -> None:
        self._settings = settings

    @property
    def identity(self) -> str:
        require_driver()
        from psycopg.pq import Conninfo

        named = {option.keyword: option.val for option in Conninfo.get_defaults()}
        return " ".join(
            f"{key.decode()}={value.decode()}"
            for key in (b"service", b"host", b"hostaddr", b"port")
            if (value := named.get(key))
        )

    @contextmanager
    def connect(self) -> Iterator["Connection"]:
        with connected(self._settings) as connection:
            yield connection


@contextmanager
def connected(settings: ProductsSettings, **parameters: str | int) -> Iterator["Connection"]:
    """A connection in autocommit to the settings' database; `parameters` win over libpq's variables.

    Raises:
        CoupangAssetsError: the server refuses us, or the driver is not installed.
        TransientError: the server is away, or is lost while the block runs.
    """
    require_driver()
    import psycopg

    try:
        connection = psycopg.connect(
            **{
                "dbname": settings.database,
                "connect_timeout": max(2, round(settings.connect_timeout_seconds)),
                "client_encoding": "UTF8",
                "application_name": "coupang_assets",
                **_KEEPALIVE,
            }
            | parameters,  # type: ignore[arg-type]
            autocommit=True,
        )
    except psycopg.Error as error:
        raise _connect_error(error) from None
    with translated_errors(), connection:
        yield connection


@contextmanager
def translated_errors() -> Iterator[None]:
    """What PostgreSQL and its driver raise in the block, as this project's errors."""
    import psycopg

    try:
        yield
    except psycopg.errors.InsufficientPrivilege as error:
        raise CoupangAssetsError(
            f"PostgreSQL does not let us: {_text(error)}", "have the right granted to the user that PGUSER names"
        ) from None
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise TransientError(
            f"PostgreSQL: {_text(error)}", "see to the server and the network between, and run again"
        ) from None
    except psycopg.Error as error:
        raise CoupangAssetsError(f"PostgreSQL: {_text(error)}", "see to what it names") from None


def require_driver() -> None:
    """Raises CoupangAssetsError where the driver is not installed."""
    try:
        import psycopg  # noqa: F401
    except ImportError:
        raise CoupangAssetsError(
            "the PostgreSQL driver psycopg is not installed", "pip install 'coupang-assets[products]'"
        ) from None


def _connect_error(error: Exception) -> CoupangAssetsError:
    said = _text(error)
    # libpq gives no SQLSTATE for a login; FATAL is what a server says that was reached.
    if "FATAL" in said and not any(passing in said for passing in _PASSING_REFUSALS):
        return CoupangAssetsError(
            f"PostgreSQL refuses the login: {said}",
            "set PGUSER and PGPASSWORD (or ~/.pgpass), and COUPANG_PRODUCTS__DATABASE",
        )
    if "no password supplied" in said:
        return CoupangAssetsError(f"PostgreSQL wants a password: {said}", "set PGPASSWORD, or write it to ~/.pgpass")
    return TransientError(f"PostgreSQL cannot be reached: {said}", "check PGHOST, PGPORT and that the server runs")


def _text(error: Exception) -> str:
    return " ".join(str(error).split())
