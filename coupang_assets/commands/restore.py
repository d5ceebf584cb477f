"""``coupang-assets restore``: bring an earlier version of a dataset back."""

from uuid import uuid4

from rich.console import Console
from rich.markup import escape

from coupang_assets.commands.instance import open_instance
from coupang_assets.commands.versions import dataset_named, moment, open_history, short
from coupang_assets.datasets import Kind
from coupang_assets.definitions import build_defs, build_resources
from coupang_assets.settings import Settings
from coupang_assets.storage.hive_partition import restore_partition
from coupang_assets.storage.lookup import current_version, find_version
from coupang_assets.storage.reported import report_version
from coupang_assets.storage.restore import lies_there, restore_files
from coupang_assets.storage.run_lock import month_lock


def restore_version(settings: Settings, month: str, name: str, version: str, console: Console) -> None:
    """Put a version's files (or its Hive partition) in place, and tell Dagster.

    Raises:
        CoupangAssetsError: the version does not exist, is ambiguous or no longer kept, its content is damaged, or
            another run is at work on the month. Nothing was changed.
    """
    history, key = open_history(settings, month)
    dataset = dataset_named(name)
    instance = open_instance(settings)
    with month_lock(settings.root, key, str(uuid4())):
        found = find_version(history, key, dataset.name, version)
        before = current_version(history, key, dataset.name)
        what = f"{dataset.name} of {key}"
        if before is not None and before.data_version == found.manifest.data_version and lies_there(history, before):
            console.print(f"{what} is {short(before.data_version)} already.")
            return
        if dataset.kind is Kind.HIVE:
            manifest = restore_partition(history, build_resources(settings)["warehouse"], found.manifest)
        else:
            manifest = restore_files(history, found.manifest)
        graph = build_defs(settings).resolve_asset_graph()
        description = f"Version @{found.number} of {moment(found.manifest.created)} was brought back."
        report_version(instance, graph, history.layout, manifest, description, found.manifest)
    console.print(
        f"{what} is again @{found.number} {short(manifest.data_version)} of {moment(found.manifest.created)}"
        + ("" if before is None else f"; what lay there, {short(before.data_version)}, stays in the history")
        + f".\nWhat was made from another version of it is stale now: coupang-assets status {escape(key)}, then refresh"
    )
