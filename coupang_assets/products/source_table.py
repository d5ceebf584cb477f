"""The product table: its columns as PostgreSQL knows them, and reading it within one snapshot.

Belongs here: statements that read. Does not: files, or what is done with what was read.
"""

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from coupang_assets.errors import CoupangAssetsError
from coupang_assets.settings import ProductsSettings

if TYPE_CHECKING:
    from psycopg import sql

    from coupang_assets.products.connection import Connection

Chunk = bytes | bytearray | memoryview
# Key of a row, and its time of change in microseconds since 1970; None where it is not known.
Stamp = tuple[int | str, int | None]

_SHOWN = 12
_INTEGERS = {"smallint", "integer", "bigint"}
_TEXTS = {"text", "character varying", "uuid"}
_MOMENTS = {"timestamp without time zone", "timestamp with time zone"}


@dataclass(frozen=True)
class SourceColumn:
    """A column: its name, its type as SQL writes it (`numeric(3,2)`), and whether it is never null."""

    name: str
    type: str
    required: bool

    @property
    def base_type(self) -> str:
        """The type without length or precision."""
        head, _, tail = self.type.partition("(")
        return " ".join((head + tail.partition(")")[2]).split()) if tail else self.type


@dataclass(frozen=True)
class SourceTable:
    """A table's columns.

    Attributes:
        key: the column that identifies a row and orders the export; None where there is none to rely on.
        modified: the column that says when a row was last changed; None where there is none.
    """

    schema: str
    name: str
    columns: tuple[SourceColumn, ...]
    key: SourceColumn | None
    modified: SourceColumn | None

    @property
    def has_integer_key(self) -> bool:
        return self.key is not None and self.key.type in _INTEGERS

    def identifier(self) -> "sql.Identifier":
        from psycopg import sql

        return sql.Identifier(self.schema, self.name)


@contextmanager
def snapshot(connection: "Connection") -> Iterator[str]:
    """All statements of the block see the same state of the database, and none can change it; gives its time."""
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        connection.execute("SET LOCAL TimeZone = 'UTC'")
        connection.execute("SET LOCAL DateStyle = 'ISO'")
        connection.execute("SET LOCAL extra_float_digits = 1")
        (moment,) = connection.execute("SELECT transaction_timestamp()::text").fetchone() or ("",)
        yield moment


def describe_table(connection: "Connection", settings: ProductsSettings) -> SourceTable:
    """The table of the settings.

    Raises:
        CoupangAssetsError: schema, table or a column is not there; says what is.
    """
    found = connection.execute(
        "SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = %s AND c.relname = %s AND c.relkind IN ('r', 'p', 'v', 'm', 'f')",
        [settings.schema_name, settings.table],
    ).fetchone()
    if found is None:
        raise _table_missing(connection, settings)
    columns = tuple(
        SourceColumn(*row)
        for row in connection.execute(
            "SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute "
            "WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
            found,
        )
    )
    by_name = {column.name: column for column in columns}
    modified = by_name.get(settings.modified_column)
    if modified is not None and modified.base_type not in _MOMENTS:
        modified = None
    table = SourceTable(settings.schema_name, settings.table, columns, key=None, modified=modified)
    if settings.key_column is not None:
        require_columns(table, {"COUPANG_PRODUCTS__KEY_COLUMN": settings.key_column})
        return replace(table, key=_usable_key([by_name[settings.key_column]]))
    return replace(table, key=_usable_key([by_name[name] for name in _primary_key(connection, found[0])]))


def require_columns(table: SourceTable, wanted: dict[str, str]) -> None:
    """Raises CoupangAssetsError where a column (by the setting that names it) is not in the table."""
    there = [column.name for column in table.columns]
    for setting, name in wanted.items():
        if name not in there:
            raise CoupangAssetsError(
                f"{table.schema}.{table.name} has no column {name}; it has {', '.join(there)}",
                f"name the column with {setting}",
            )


def copy_rows(
    connection: "Connection", table: SourceTable, keys: Sequence[int | str] | None = None
) -> Generator[Chunk]:
    """CSV of the table without a header, ordered by its key; with `keys` only of these rows."""
    from psycopg import sql

    columns = sql.SQL(", ").join(sql.Identifier(column.name) for column in table.columns)
    query = sql.SQL("SELECT {} FROM {}").format(columns, table.identifier())
    if keys is not None and table.key is not None:
        # COPY takes no parameters: the values are quoted by the driver.
        query += sql.SQL(" WHERE {} = ANY({}::{})").format(
            sql.Identifier(table.key.name), sql.Literal(list(keys)), sql.SQL(_array_type(table.key))
        )
    query += _order(table)
    with connection.cursor() as cursor, cursor.copy(sql.SQL("COPY ({}) TO STDOUT (FORMAT csv)").format(query)) as copy:
        yield from copy


def copy_stamps(connection: "Connection", table: SourceTable) -> Iterator[Stamp]:
    """Key and time of change of each row, ascending by key.

    Raises:
        CoupangAssetsError: the key is missing in a row, or the same in two.
    """
    from psycopg import sql

    if table.key is None or table.modified is None:
        raise ValueError(f"{table.name} has no key or no time of change")
    query = sql.SQL(
        "SELECT {key}, CASE WHEN isfinite({modified}) THEN (extract(epoch FROM {modified}) * 1000000)::bigint END "
        "FROM {table}"
    ).format(
        key=sql.Identifier(table.key.name), modified=sql.Identifier(table.modified.name), table=table.identifier()
    ) + _order(table)
    as_key: Any = int if table.has_integer_key else str
    last: Any = None
    with connection.cursor() as cursor, cursor.copy(sql.SQL("COPY ({}) TO STDOUT").format(query)) as copy:
        for text, modified in copy.rows():
            key = None if text is None else as_key(text)
            if key is None or (last is not None and key <= last):
                raise CoupangAssetsError(
                    f"{table.key.name} of {table.schema}.{table.name} does not identify a row: "
                    + ("it is missing in one" if key is None else f"{last} is followed by {key}"),
                    "name a column that is never null and has no duplicates with COUPANG_PRODUCTS__KEY_COLUMN",
                )
            last = key
            yield key, None if modified is None else int(modified)


def news_since(connection: "Connection", table: SourceTable, cursor: str | None) -> tuple[int, str | None]:
    """Rows changed or added since `cursor`, and the cursor for the next time.

    The cursor is the latest time of change; of a table without one, its number of rows.
    """
    from psycopg import sql

    # The table may have had another form when it was looked at before.
    counted = cursor is not None and cursor.isdigit()
    if table.modified is None:
        query = sql.SQL("SELECT count(*) FROM {}").format(table.identifier())
        (rows,) = connection.execute(query).fetchone() or (0,)
        return abs(rows - int(cursor or 0)) if counted else rows, str(rows)
    modified = sql.Identifier(table.modified.name)
    query = sql.SQL("SELECT count(*), max({0})::text FROM {1} WHERE isfinite({0})").format(modified, table.identifier())
    if cursor is not None and not counted:
        query += sql.SQL(" AND {} > {}::{}").format(modified, sql.Literal(cursor), sql.SQL(table.modified.base_type))
    rows, latest = connection.execute(query).fetchone() or (0, None)
    return rows, latest or cursor


def _order(table: SourceTable) -> "sql.Composable":
    """By key, texts by their bytes, so that a merge outside the server can follow the order."""
    from psycopg import sql

    if table.key is None:
        return sql.SQL("")
    collation = sql.SQL(' COLLATE "C"') if table.key.base_type in ("text", "character varying") else sql.SQL("")
    return sql.SQL(" ORDER BY {}").format(sql.Identifier(table.key.name)) + collation


def _array_type(key: SourceColumn) -> str:
    return {"smallint": "int2[]", "integer": "int4[]", "bigint": "int8[]", "uuid": "uuid[]"}.get(key.type, "text[]")


def _primary_key(connection: "Connection", oid: int) -> list[str]:
    return [
        name
        for (name,) in connection.execute(
            "SELECT a.attname FROM pg_index i "
            "JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey) "
            "WHERE i.indrelid = %s AND i.indisprimary",
            [oid],
        )
    ]


def _usable_key(columns: list[SourceColumn]) -> SourceColumn | None:
    """The one column of a key whose order is the same here and on the server."""
    usable = len(columns) == 1 and columns[0].base_type in _INTEGERS | _TEXTS
    return columns[0] if usable else None


def _table_missing(connection: "Connection", settings: ProductsSettings) -> CoupangAssetsError:
    schemas = [
        name
        for (name,) in connection.execute(
            "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' ORDER BY 1"
        )
    ]
    where = f"database {settings.database}"
    if settings.schema_name not in schemas:
        return CoupangAssetsError(
            f"{where} has no schema {settings.schema_name}; it has {_listed(schemas)}",
            "name the schema with COUPANG_PRODUCTS__SCHEMA_NAME, or the database with COUPANG_PRODUCTS__DATABASE",
        )
    tables = [
        name
        for (name,) in connection.execute(
            "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE n.nspname = %s AND c.relkind IN ('r', 'p', 'v', 'm', 'f') ORDER BY 1",
            [settings.schema_name],
        )
    ]
    return CoupangAssetsError(
        f"schema {settings.schema_name} of {where} has no table {settings.table}; it has {_listed(tables)}",
        "name the table with COUPANG_PRODUCTS__TABLE",
    )


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return (", ".join(names[:_SHOWN]) or "none") + more
