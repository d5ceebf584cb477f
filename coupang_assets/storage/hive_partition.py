"""The month's partition of the dictionary table as a version: written, kept, brought back, adopted.

Belongs here: the order load, read back, compare, record. Does not: SQL and files of the table (``warehouse``).
"""

import pandas as pd

from coupang_assets.datasets import RT_CATEGORY_INFO
from coupang_assets.errors import CoupangAssetsError, NotThereError
from coupang_assets.months import dictionary_day
from coupang_assets.storage.adoption import adopted
from coupang_assets.storage.commit import commit, dataset_lock
from coupang_assets.storage.history import History
from coupang_assets.storage.kept_table import read_kept_table, write_kept_table
from coupang_assets.storage.layout import Layout
from coupang_assets.storage.manifest import Manifest, frame_version
from coupang_assets.storage.restore import restored_manifest
from coupang_assets.warehouse import Warehouse
from coupang_assets.warehouse.dictionary_table import create_statement


def write_partition(layout: Layout, warehouse: Warehouse, manifest: Manifest, rows: pd.DataFrame) -> Manifest:
    """Make ``rows`` the month's partition, see that they are, and record them; the record with its location.

    Raises:
        CoupangAssetsError: the warehouse refuses, or the partition is not what was written.
    """
    table, day = layout.settings.dictionary.table, dictionary_day(manifest.month)
    warehouse.create_table(create_statement(layout.settings.dictionary))
    where = warehouse.overwrite_partition(table, day, rows)
    read_back = warehouse.read_partition(table, day)
    if frame_version(read_back) != manifest.data_version:
        raise CoupangAssetsError(
            f"{table} day={day} holds {len(read_back)} rows that are not the {len(rows)} rows written",
            "look whether another program writes this partition, then run again",
        )
    return _record(layout, manifest.model_copy(update={"location": where, "table_rows": len(rows), "files": []}), rows)


def restore_partition(history: History, warehouse: Warehouse, version: Manifest) -> Manifest:
    """Load a kept version into the partition again.

    Raises:
        CoupangAssetsError: its rows are no longer kept, or are damaged (then nothing was changed); or as
            :func:`write_partition`.
    """
    if not version.files:
        raise CoupangAssetsError(
            f"the rows of this version of {version.dataset} are not kept", f"materialize {version.dataset} again"
        )
    rows = read_kept_table(history.objects.verified(version.files[0].sha256))
    return write_partition(history.layout, warehouse, restored_manifest(version, []), rows)


def adopt_partition(history: History, warehouse: Warehouse, month: str) -> Manifest | None:
    """Take the month's partition as it is as a version; None where there is none.

    Raises:
        CoupangAssetsError: it cannot be read, or has other columns.
    """
    dataset, table, day = RT_CATEGORY_INFO, history.layout.settings.dictionary.table, dictionary_day(month)
    try:
        rows = warehouse.read_partition(table, day)
    except NotThereError:
        return None
    if set(rows.columns) != set(dataset.column_names):
        raise CoupangAssetsError(
            f"{table} day={day} has the columns {', '.join(rows.columns)}",
            f"{dataset.name} has the columns {', '.join(dataset.column_names)}",
        )
    rows = rows[list(dataset.column_names)].sort_values("lv4_code", ignore_index=True)
    manifest = adopted(dataset, month, frame_version(rows))
    where = {"location": f"{table} day={day}", "table_rows": len(rows)}
    return _record(history.layout, manifest.model_copy(update=where), rows)


def _record(layout: Layout, manifest: Manifest, rows: pd.DataFrame) -> Manifest:
    """Write the manifest beside those of the month's files, and keep the rows."""
    folder, history = layout.folder_on_disk(manifest.month), History(layout)
    with dataset_lock(folder, manifest.dataset), history.scratch() as scratch:
        table = scratch / f"{manifest.dataset}.parquet"
        write_kept_table(RT_CATEGORY_INFO, rows, table)
        commit(folder, manifest, in_place=True, history=history, table=table)
    return manifest
