"""Telling Dagster of a version that no run of it wrote: one brought back, or adopted.

Belongs here: the event, so that Dagster's own record says what the manifest says. Does not: writing the version.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
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

from coupang_assets.datasets import Dataset
from coupang_assets.storage.manifest import Manifest
from coupang_assets.storage.metadata import manifest_metadata


def report_version(
    instance: dg.DagsterInstance,
    graph: BaseAssetGraph,
    dataset: Dataset,
    folder: Path,
    manifest: Manifest,
    description: str,
) -> None:
    """Record a materialization without a run, made of what its upstreams are now.

    Args:
        folder: the month's folder.
        description: what happened, for people.
    """
    key = dg.AssetKey(dataset.name)
    metadata: Mapping[str, Any] = (
        manifest_metadata(dataset, folder, manifest) if manifest.files else _of_table(manifest)
    )
    instance.report_runless_asset_event(
        dg.AssetMaterialization(
            key,
            partition=manifest.month,
            description=description,
            metadata={**metadata, "origin": manifest.origin},
            tags={
                DATA_VERSION_TAG: manifest.data_version,
                DATA_VERSION_IS_USER_PROVIDED_TAG: "true",
                **_provenance_tags(instance, graph, key, manifest.month),
            },
        )
    )


def _of_table(manifest: Manifest) -> dict[str, Any]:
    return {
        "content hash": manifest.data_version,
        "dagster/row_count": manifest.table_rows or 0,
        "location": manifest.location or "",
    }


def _provenance_tags(
    instance: dg.DagsterInstance, graph: BaseAssetGraph, key: dg.AssetKey, month: str
) -> dict[str, str]:
    node = graph.get(key)
    tags = {CODE_VERSION_TAG: node.code_version} if node.code_version else {}
    parents = graph.get_parents_partitions(key, month).parent_partitions
    for parent in sorted(node.parent_keys):
        months: Sequence[str] = sorted(p.partition_key for p in parents if p.asset_key == parent and p.partition_key)
        record = (
            instance.get_latest_data_version_record(parent, graph.get(parent).is_external, months[-1])
            if months
            else None
        )
        version = record and extract_data_version_from_entry(record.event_log_entry)
        tags[get_input_data_version_tag(parent)] = (version or NULL_DATA_VERSION).value
        tags[get_input_event_pointer_tag(parent)] = str(record.storage_id) if record else NULL_EVENT_POINTER
    return tags
