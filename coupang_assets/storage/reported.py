"""Telling Dagster of a version that no run of it wrote: one brought back, or adopted.

Belongs here: the event, so that Dagster's own record says what the manifest says. Does not: writing the version.
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg
from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph
from dagster._core.definitions.data_version import (
    CODE_VERSION_TAG,
    DATA_VERSION_IS_USER_PROVIDED_TAG,
    DATA_VERSION_TAG,
    NULL_DATA_VERSION,
    NULL_EVENT_POINTER,
    extract_data_version_from_entry,
    get_input_data_version_tag,
    get_input_event_pointer_tag,
)

from coupang_assets.datasets import DATASETS
from coupang_assets.storage.layout import Layout
from coupang_assets.storage.made_from import dagster_code_version
from coupang_assets.storage.manifest import Manifest, input_key
from coupang_assets.storage.metadata import manifest_metadata
from coupang_assets.storage.origin_metadata import origin_metadata

_NONE = (NULL_DATA_VERSION.value, NULL_EVENT_POINTER)
_BEFORE_ALL = "1"


def report_version(
    instance: dg.DagsterInstance,
    graph: BaseAssetGraph,
    layout: Layout,
    manifest: Manifest,
    description: str,
    was: Manifest | None = None,
) -> None:
    """Record a materialization without a run, with the code and inputs the version really has.

    Where nobody knows them (it was adopted, or edited by hand) they are those of now, so that it is not stale.

    Args:
        manifest: what lies there now.
        description: what happened, for people.
        was: the version that was brought back.
    """
    key = dg.AssetKey(manifest.dataset)
    folder = layout.folder_on_disk(manifest.month)
    of_files = manifest_metadata(DATASETS[manifest.dataset], folder, manifest) if manifest.files else None
    metadata: Mapping[str, Any] = of_files or _of_table(manifest)
    instance.report_runless_asset_event(
        dg.AssetMaterialization(
            key,
            partition=manifest.month,
            description=description,
            metadata={**metadata, **origin_metadata(layout, manifest), "origin": manifest.origin},
            tags={
                **_provenance(instance, graph, key, was or manifest),
                DATA_VERSION_TAG: manifest.data_version,
                DATA_VERSION_IS_USER_PROVIDED_TAG: "true",
            },
        )
    )


def _of_table(manifest: Manifest) -> dict[str, Any]:
    return {
        "content hash": manifest.data_version,
        "dagster/row_count": manifest.table_rows or 0,
        "location": manifest.location or "",
    }


def _provenance(
    instance: dg.DagsterInstance, graph: BaseAssetGraph, key: dg.AssetKey, version: Manifest
) -> dict[str, str]:
    """Tags that say what a version was made with and from, as a run would have written them."""
    node = graph.get(key)
    known = version.code_version is not None and version.inputs is not None
    code = dagster_code_version(version.code_version or "", version.settings, version.libraries)
    tags = {CODE_VERSION_TAG: code if known else node.code_version or ""}
    parents = graph.get_parents_partitions(key, version.month).parent_partitions
    months = {one.asset_key: one.partition_key for one in parents if one.partition_key}
    for parent in sorted(node.parent_keys):
        seen = _NONE
        if (month := months.get(parent)) is not None:
            read = (version.inputs or {}).get(input_key(parent.to_user_string(), month)) if known else None
            seen = _seen(instance, parent, graph.get(parent).is_external, month, read)
        tags[get_input_data_version_tag(parent)], tags[get_input_event_pointer_tag(parent)] = seen
    return tags


def _seen(
    instance: dg.DagsterInstance, key: dg.AssetKey, is_external: bool, month: str, wanted: str | None
) -> tuple[str, str]:
    """Version of an input and the event that Dagster knows it by.

    Args:
        wanted: the version that was read; None: the latest.
    """
    before: int | None = None
    while (
        record := instance.get_latest_data_version_record(key, is_external, month, before_cursor=before)
    ) is not None:
        found = extract_data_version_from_entry(record.event_log_entry)
        if wanted is None or (found is not None and found.value == wanted):
            return (found or NULL_DATA_VERSION).value, str(record.storage_id)
        before = record.storage_id
    # A version that no event knows, such as a file edited by hand, is another one than any event's.
    return _NONE if wanted is None or before is None else (wanted, _BEFORE_ALL)
