"""Dagster metadata of written datasets, under the keys the UI knows."""

from pathlib import Path

import pandas as pd
from dagster import MetadataValue, TableColumn, TableColumnConstraints, TableRecord, TableSchema

from coupang_assets.datasets import Dataset
from coupang_assets.storage.csv_tables import preview
from coupang_assets.storage.manifest import Manifest

_PREVIEW_CHARACTERS = 60
_LISTED_FILES = 12


def table_schema(dataset: Dataset) -> TableSchema:
    """A dataset's columns for the UI."""
    return TableSchema(
        columns=[
            TableColumn(
                column.name,
                type=column.type,
                description=column.description,
                constraints=TableColumnConstraints(nullable=column.nullable),
            )
            for column in dataset.columns
        ]
    )


def table_records(frame: pd.DataFrame) -> list[TableRecord]:
    """Rows for a metadata table; long texts are cut, missing values are empty."""
    shown = frame.astype(object).where(frame.notna(), "")
    return [TableRecord({str(key): _short(value) for key, value in row.items()}) for row in shown.to_dict("records")]


def manifest_metadata(dataset: Dataset, folder: Path, manifest: Manifest) -> dict[str, MetadataValue]:
    """Rows, bytes, content hash, schema, path and a preview of what was just committed."""
    first = folder / manifest.files[0].path
    metadata: dict[str, MetadataValue] = {"preview": table_metadata(preview(first))} if dataset.columns else {}
    metadata |= {
        "dagster/uri": MetadataValue.text((first if len(manifest.files) == 1 else first.parent).as_uri()),
        "path": MetadataValue.path(first if len(manifest.files) == 1 else first.parent),
        "bytes": MetadataValue.int(manifest.total_bytes),
        "content hash": MetadataValue.text(manifest.data_version),
    }
    if manifest.rows is not None:
        metadata["dagster/row_count"] = MetadataValue.int(manifest.rows)
    if dataset.columns:
        metadata["dagster/column_schema"] = MetadataValue.table_schema(table_schema(dataset))
    if len(manifest.files) > 1:
        files = pd.DataFrame([record.model_dump(include={"path", "rows", "bytes"}) for record in manifest.files])
        files = files.dropna(axis="columns", how="all")
        metadata["files"] = table_metadata(files.head(_LISTED_FILES))
    if dataset.based_on_earlier_month:
        metadata["base month"] = MetadataValue.text(manifest.base_month or "none: every category is new")
    return metadata


def table_metadata(frame: pd.DataFrame) -> MetadataValue:
    """A small table for the UI."""
    return MetadataValue.table(
        records=table_records(frame), schema=TableSchema([TableColumn(str(name)) for name in frame.columns])
    )


def _short(value: object) -> str | int | float | bool:
    if isinstance(value, bool | int | float):
        return value
    text = str(value).replace("\n", " ")
    return text if len(text) <= _PREVIEW_CHARACTERS else text[: _PREVIEW_CHARACTERS - 1] + "…"
