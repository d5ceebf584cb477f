"""What Hive says of its tables: columns, partitions, where and how they are kept.

Belongs here: reading ``DESCRIBE FORMATTED``, ``SHOW PARTITIONS`` and ``SHOW TABLES`` as Hive and Spark answer them.
Does not: what is done with it.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote

from coupang_assets.errors import CoupangAssetsError, NotThereError
from coupang_assets.warehouse.hive_session import HiveSession

PartitionSpec = tuple[tuple[str, str], ...]
_TRANSACTIONAL = re.compile(r"\btransactional=true\b", re.IGNORECASE)
_MISSING = ("TABLE_OR_VIEW_NOT_FOUND", "Table not found", "NoSuchTableException")
_LISTED = 20


@dataclass(frozen=True)
class TableDescription:
    """One table, view or partition.

    Attributes:
        columns: types by name, partition columns last.
        partitioned_by: names of the partition columns, outermost first.
        details: the rest, by Hive's names in lower case without the colon.
    """

    columns: dict[str, str]
    partitioned_by: tuple[str, ...]
    details: dict[str, str] = field(default_factory=dict)
    transactional: bool = False

    @property
    def location(self) -> str | None:
        return self.details.get("location") or None

    @property
    def is_view(self) -> bool:
        return "VIEW" in self.details.get("table type", self.details.get("type", "")).upper()

    @property
    def is_orc(self) -> bool:
        return self.details.get("inputformat", "").endswith(".OrcInputFormat")


def quoted(table: str) -> str:
    """A table's name, with its database if it has one, as an identifier. The names come from validated settings."""
    return ".".join(f"`{part}`" for part in table.split("."))


def partition_clause(spec: PartitionSpec) -> tuple[str, dict[str, str]]:
    """``PARTITION (…)`` and its parameters."""
    parameters = {f"partition_{index}": value for index, (_, value) in enumerate(spec)}
    names = (f"`{name}`=%(partition_{index})s" for index, (name, _) in enumerate(spec))
    return f"PARTITION ({', '.join(names)})", parameters


def describe_table(session: HiveSession, table: str, setting: str) -> TableDescription:
    """A table or view.

    Raises:
        NotThereError: it is not there; the tables there are, and ``setting``, which names it.
    """
    try:
        return parse_description(session.rows(f"DESCRIBE FORMATTED {quoted(table)}"))
    except CoupangAssetsError as error:
        if not any(text in error.what for text in _MISSING):
            raise
        database = table.rpartition(".")[0]
        tables = table_names(session, database)
        shown = ", ".join(tables[:_LISTED]) + (f" and {len(tables) - _LISTED} more" if len(tables) > _LISTED else "")
        raise NotThereError(
            f"{session.address} has no table {table}; {database or 'its database'} has {shown or 'no table'}",
            f"name the table that is meant with {setting}",
        ) from None


def describe_partition(session: HiveSession, table: str, spec: PartitionSpec) -> TableDescription:
    """One partition of a table."""
    clause, parameters = partition_clause(spec)
    return parse_description(session.rows(f"DESCRIBE FORMATTED {quoted(table)} {clause}", parameters))


def table_names(session: HiveSession, database: str = "") -> list[str]:
    """Tables of a database, without its name. Hive gives one column, Spark database, name and a flag."""
    rows = session.rows(f"SHOW TABLES IN `{database}`" if database else "SHOW TABLES")
    return sorted(str(row[0] if len(row) == 1 else row[1]) for row in rows)


def partitions(session: HiveSession, table: str) -> list[PartitionSpec]:
    """All partitions of a partitioned table."""
    return [parse_partition(str(row[0])) for row in session.rows(f"SHOW PARTITIONS {quoted(table)}")]


def parse_partition(text: str) -> PartitionSpec:
    """``day=20240401/hour=00`` with Hive's escapes."""
    pairs = (part.partition("=") for part in text.split("/"))
    return tuple((unquote(name), unquote(value)) for name, _, value in pairs)


def parse_description(rows: Iterable[Sequence[str | None]]) -> TableDescription:
    """The answer to ``DESCRIBE FORMATTED``; where a name comes twice, as Spark's locations do, the first counts."""
    columns: dict[str, str] = {}
    partitioned_by: list[str] = []
    details: dict[str, str] = {}
    transactional = False
    section = "columns"
    for row in rows:
        cells = [(cell or "").strip() for cell in row]
        name, value = cells[0], cells[1] if len(cells) > 1 else ""
        if name.startswith("#"):
            if name.startswith("# Partition Information"):
                section = "partition"
            elif not name.startswith("# col_name"):
                section = "details"
        elif section == "details":
            transactional = transactional or bool(_TRANSACTIONAL.search("=".join(cells)))
            if name:
                details.setdefault(name.rstrip(":").lower(), value)
        elif name:
            columns[name] = value
            if section == "partition":
                partitioned_by.append(name)
    return TableDescription(columns, tuple(partitioned_by), details, transactional)
