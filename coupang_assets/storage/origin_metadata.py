"""Dagster metadata that says where a version comes from: columns of every table, everything of what is delivered."""

import pandas as pd
from dagster import AssetKey, MetadataValue, TableColumnDep, TableColumnLineage

from coupang_assets.column_lineage import COLUMN_LINEAGE, EVENT_COLUMNS, EVENTS, origins
from coupang_assets.datasets import DATASETS
from coupang_assets.settings import EventsSettings
from coupang_assets.storage.history import History
from coupang_assets.storage.layout import Layout
from coupang_assets.storage.manifest import Manifest
from coupang_assets.storage.metadata import table_metadata
from coupang_assets.storage.provenance import Provenance, trace
from coupang_assets.storage.prune import DELIVERED


def origin_metadata(layout: Layout, manifest: Manifest) -> dict[str, MetadataValue]:
    """Column lineage, and for a model or Hive partition the versions of all files, settings and code behind it.

    Versions of earlier months are named, but what they came from is in the metadata of those months;
    ``coupang-assets provenance`` follows them.
    """
    metadata: dict[str, MetadataValue] = {}
    if DATASETS[manifest.dataset].columns:
        lineage = column_lineage(manifest.dataset, layout.settings.events)
        metadata["dagster/column_lineage"] = MetadataValue.column_lineage(lineage)
        # Dagster's open-source UI shows the former as JSON only.
        metadata["column lineage"] = table_metadata(_columns(manifest.dataset, layout.settings.events))
    if manifest.dataset in DELIVERED and manifest.inputs is not None:
        found = trace(History(layout), manifest, month=manifest.month)
        metadata["made from"] = table_metadata(_sources(found))
        metadata["provenance"] = MetadataValue.json(found.as_json())
    return metadata


def column_lineage(dataset: str, events: EventsSettings) -> TableColumnLineage:
    """Column lineage of a dataset; the source table's columns by the names they have there."""

    def dep(source: str) -> TableColumnDep:
        name, _, column = source.partition(".")
        return TableColumnDep(AssetKey(name), getattr(events, column) if name == EVENTS else column)

    return TableColumnLineage(
        {column: [dep(source) for source in sources] for column, sources in COLUMN_LINEAGE[dataset].items()}
    )


def _columns(dataset: str, events: EventsSettings) -> pd.DataFrame:
    """For people: what each column comes from, and the columns of the source table that goes back to."""
    rows = []
    for column, sources in COLUMN_LINEAGE[dataset].items():
        back_to = origins(dataset, column)
        of_events = ", ".join(getattr(events, one) for one in EVENT_COLUMNS if one in back_to)
        rows += [(column, source, of_events) for source in sources or ("outside",)]
    return pd.DataFrame(rows, columns=["column", "comes from", "and in the end from the events'"])


def _sources(found: Provenance) -> pd.DataFrame:
    rows = []
    for source, record in found.records.items():
        if source != found.root:
            settings = ", ".join(f"{name}={value}" for name, value in record.settings.items()) if record else ""
            rows.append(
                (source.name, source.month, source.data_version, record.code_version if record else "", settings)
            )
    return pd.DataFrame(rows, columns=["dataset", "month", "version", "code", "settings"]).sort_values(
        ["month", "dataset"], ignore_index=True
    )
