"""The export of the product table: the whole of it, or what has changed since the export before.

Both give the same bytes for the same table. Belongs here: which of the two, and their writing. Does not: SQL
(`source_table.py`), formats (`table_files.py`), the comparison (`changes.py`), or committing the files.
"""

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from coupang_assets.products.changes import ChangePlan, merged_records, plan_changes
from coupang_assets.products.source_table import SourceTable, copy_rows, copy_stamps, describe_table, snapshot
from coupang_assets.products.table_files import read_source, read_stamps, table_files
from coupang_assets.settings import ProductsSettings

if TYPE_CHECKING:
    from coupang_assets.products.connection import Connection, ProductsSource

CSV_NAME, PARQUET_NAME = "products_all.csv", "products_all.parquet"


@dataclass(frozen=True)
class Export:
    """What an export wrote.

    Attributes:
        moment: the database's time of the state that was read, ISO 8601, UTC.
        why_whole: why all rows were read; empty where only those that changed were.
        changes: what has changed since the export before, where that was looked at.
    """

    table: SourceTable
    rows: int
    moment: str
    why_whole: str
    changes: ChangePlan | None


def export_products(
    source: "ProductsSource", settings: ProductsSettings, folder: Path, before: Path | None = None
) -> Export:
    """Write `products_all.csv` (UTF-8 with BOM) and `products_all.parquet` to `folder`.

    Args:
        folder: where they are written; scratch files are left in it.
        before: folder of the export before, its files known to be as they were written.

    Raises:
        CoupangAssetsError: the server refuses us, or table or columns are not there.
        TransientError: the server is away, or was lost on the way.
        OSError: the disk refuses.
    """
    csv_path, parquet_path = folder / CSV_NAME, folder / PARQUET_NAME
    with source.connect() as connection, snapshot(connection) as moment:
        table = describe_table(connection, settings)
        origin = _origin(source, settings, table)
        why_whole, changes = _compare(connection, settings, table, origin, folder, before)
        with table_files(csv_path, parquet_path, table.columns, frozenset(settings.text_columns), origin) as files:
            if why_whole or changes is None or before is None:
                with closing(copy_rows(connection, table)) as chunks:
                    for chunk in chunks:
                        files.write(chunk)
            else:
                for record in merged_records(connection, table, changes, before / CSV_NAME):
                    files.write(record)
    return Export(table, pq.read_metadata(parquet_path).num_rows, moment, why_whole, changes)


def _compare(
    connection: "Connection",
    settings: ProductsSettings,
    table: SourceTable,
    origin: dict[str, Any],
    folder: Path,
    before: Path | None,
) -> tuple[str, ChangePlan | None]:
    """Why the whole table has to be read (empty: it has not), and the changes if they could be looked for."""
    if before is None:
        return "there is no export before it", None
    if table.key is None:
        return "the table has no key of one column (COUPANG_PRODUCTS__KEY_COLUMN)", None
    if table.modified is None:
        return f"the table has no time of change in a column {settings.modified_column}", None
    if read_source(before / PARQUET_NAME) != origin:
        return "the export before it is of another table, or of other columns", None
    stamps = read_stamps(before / PARQUET_NAME, table.key.name, table.modified.name)
    changes = plan_changes(stamps, copy_stamps(connection, table), folder)
    if changes.to_read > settings.whole_above_share * changes.rows:
        return f"{changes.to_read:,} of {changes.rows:,} rows have changed", changes
    return "", changes


def _origin(source: "ProductsSource", settings: ProductsSettings, table: SourceTable) -> dict[str, Any]:
    return {
        "server": source.identity,
        "database": settings.database,
        "table": [table.schema, table.name],
        "columns": [[column.name, column.type] for column in table.columns],
        "text_columns": sorted(settings.text_columns),
        "key": table.key.name if table.key else None,
        "modified": table.modified.name if table.modified else None,
    }
