"""The embedded PostgreSQL as a source of products: started, filled on first use, stopped after use."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from coupang_assets.products.connection import connected
from coupang_assets.sample.postgres import PORT, SUPERUSER, EmbeddedPostgres, ensure_database, fill_products
from coupang_assets.sample.source import SampleSource
from coupang_assets.settings import ProductsSettings

if TYPE_CHECKING:
    from coupang_assets.products.connection import Connection


class EmbeddedSource:
    """A `ProductsSource` in `folder`; making one starts nothing.

    Args:
        rows, seed: of the product table, when it is made.
    """

    def __init__(self, folder: Path, settings: ProductsSettings, sample: SampleSource, rows: int, seed: int) -> None:
        self._server = EmbeddedPostgres(folder)
        self._settings = settings
        self._sample = sample
        self._rows = rows
        self._seed = seed

    @property
    def identity(self) -> str:
        return "embedded"

    @contextmanager
    def connect(self) -> Iterator["Connection"]:
        with self._server.running() as socket:
            login: dict[str, str | int] = {"host": str(socket), "port": PORT, "user": SUPERUSER}
            with connected(self._settings, **login, dbname="postgres") as administration:
                ensure_database(administration, self._settings.database)
            with connected(self._settings, **login) as connection:
                table = (self._settings.schema_name, self._settings.table)
                fill_products(connection, table, self._sample.world, self._rows, self._seed)
                yield connection
