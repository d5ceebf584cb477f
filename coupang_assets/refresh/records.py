"""The records of the months on disk, each read once.

Belongs here: manifests, whether files are still what they record, and the versions of the sources, for the plan. Does
not: what follows from them (``plan``).
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import dagster as dg

from coupang_assets.datasets import COUPANG_CATE_ALL, CRAWL_JOURNAL, DATASETS, Dataset, Kind
from coupang_assets.errors import CoupangAssetsError
from coupang_assets.months import month_key
from coupang_assets.refresh.plan import Disk, OnDisk
from coupang_assets.storage.commit import recover
from coupang_assets.storage.layout import Layout
from coupang_assets.storage.locate import Located, locate
from coupang_assets.storage.manifest import FOLDER, FileRecord, Manifest, frame_version, is_as_recorded, read_manifest
from coupang_assets.storage.versions import journal_version, version_of
from coupang_assets.warehouse.embedded import read_partition_folder

SourceVersion = Callable[[str], str]


class DiskRecords:
    """See the module; what it has read it keeps until it is told that it changed.

    Args:
        layout: the months' folders.
        sources: how the version of each observed source is found for a month.
        observed: months whose sources and checks are looked at; those of others are taken to be what they were.
        instance: where the results of checks are; None: no check has failed.
    """

    def __init__(
        self,
        layout: Layout,
        sources: Mapping[str, SourceVersion] | None = None,
        observed: Sequence[str] = (),
        instance: dg.DagsterInstance | None = None,
    ) -> None:
        self._layout = layout
        self._sources = sources or {}
        self._observed = set(observed)
        self._instance = instance
        self._manifests: dict[tuple[str, str], Manifest | None] = {}
        self._on_disk: dict[tuple[str, str], OnDisk | None] = {}
        self._versions: dict[tuple[str, str], str | None] = {}
        self._source_versions: dict[tuple[str, str], str] = {}
        self._failed: dict[tuple[str, str], str | None] = {}

    def months(self) -> Sequence[str]:
        return sorted(self._recorded)

    def manifest(self, month: str, name: str) -> Manifest | None:
        key = (month, name)
        if key not in self._manifests:
            self._manifests[key] = self._read_manifest(month, name)
        return self._manifests[key]

    def on_disk(self, month: str, name: str) -> OnDisk | None:
        key = (month, name)
        if key not in self._on_disk:
            self._on_disk[key] = self._look(month, DATASETS[name])
        return self._on_disk[key]

    def version(self, month: str, name: str) -> str | None:
        key = (month, name)
        if key not in self._versions:
            self._versions[key] = self._version(month, DATASETS[name])
        return self._versions[key]

    def source_version(self, month: str, source: str) -> str | None:
        if month not in self._observed or source not in self._sources:
            return None
        key = (month, source)
        if key not in self._source_versions:
            self._source_versions[key] = self._sources[source](month)
        return self._source_versions[key]

    def latest_base(self, month: str) -> str | None:
        earlier = [one for one in self._with_dictionary if one < month]
        return earlier[-1] if earlier else None

    def latest_journal(self, month: str) -> str | None:
        name = CRAWL_JOURNAL.name
        return next((one for one in reversed(self._with_dictionary) if one < month and self._has(one, name)), None)

    def failed_check(self, month: str, name: str, checks: Sequence[str]) -> str | None:
        manifest = self.manifest(month, name)
        if self._instance is None or manifest is None or not checks or month not in self._observed:
            return None
        key = (month, name)
        if key not in self._failed:
            self._failed[key] = _failed_check(self._instance, month, name, checks, manifest.run_id)
        return self._failed[key]

    def forget(self) -> None:
        """Others may have been at work: all but the sources is read again."""
        for known in self._caches:
            known.clear()
        for name in ("_recorded", "_with_dictionary"):
            self.__dict__.pop(name, None)

    def made(self, month: str, name: str) -> None:
        """A dataset was made: what was known of it no longer holds."""
        for known in self._caches:
            known.pop((month, name), None)
        self._recorded.setdefault(month, set())
        if name == COUPANG_CATE_ALL.name:
            self.__dict__.pop("_with_dictionary", None)

    @property
    def _caches(self) -> tuple[dict[tuple[str, str], Any], ...]:
        return (self._manifests, self._on_disk, self._versions, self._failed)

    @cached_property
    def _recorded(self) -> dict[str, set[str]]:
        """Months with manifests, and the names of the files beside these."""
        found: dict[str, set[str]] = {}
        for folder in sorted((self._layout.root / "data").glob(f"*/{FOLDER}")):
            try:
                month = month_key(folder.parent.name)
            except CoupangAssetsError:
                continue
            if folder.parent == self._layout.folder_on_disk(month) and any(folder.glob("*.json")):
                found[month] = {path.name for path in folder.iterdir()}
        return found

    @cached_property
    def _with_dictionary(self) -> list[str]:
        return self._layout.months_with_dictionary()

    def _read_manifest(self, month: str, name: str) -> Manifest | None:
        folder = self._layout.folder_on_disk(month)
        if f".{name}.pending.json" in self._recorded.get(month, ()):
            recover(folder, name)
        return read_manifest(folder, name)

    def _has(self, month: str, name: str) -> bool:
        return (self._layout.folder_on_disk(month) / DATASETS[name].paths[0]).exists()

    def _look(self, month: str, dataset: Dataset) -> OnDisk | None:
        manifest = self.manifest(month, dataset.name)
        if manifest is None:
            return None if self._located(dataset, month) is None else OnDisk(Disk.AS_RECORDED)
        folder = self._layout.folder_on_disk(month)
        records = manifest.files
        if gone := next((record.path for record in records if not (folder / record.path).exists()), None):
            return OnDisk(Disk.GONE, gone)
        if dataset.kind is Kind.HIVE:
            return self._look_at_partition(manifest)
        changed = next((record.path for record in records if not self._is_recorded(month, dataset, record)), None)
        return OnDisk(Disk.CHANGED, changed) if changed else OnDisk(Disk.AS_RECORDED)

    def _is_recorded(self, month: str, dataset: Dataset, record: FileRecord) -> bool:
        path = self._layout.folder_on_disk(month) / record.path
        if is_as_recorded(path, record):
            return True
        manifest = self.manifest(month, dataset.name)
        return dataset.kind is Kind.JOURNAL and manifest is not None and journal_version(path) == manifest.data_version

    def _look_at_partition(self, manifest: Manifest) -> OnDisk:
        """A partition of the embedded warehouse; a Hive server is not asked for every month."""
        location = Path((manifest.location or "").removeprefix("file://"))
        if not location.is_relative_to(self._layout.settings.warehouse_folder):
            return OnDisk(Disk.AS_RECORDED)
        if not any(location.glob("*.parquet")):
            return OnDisk(Disk.GONE, str(location))
        try:
            same = frame_version(read_partition_folder(location, manifest.dataset)) == manifest.data_version
        except CoupangAssetsError:
            same = False
        return OnDisk(Disk.AS_RECORDED if same else Disk.CHANGED, str(location))

    def _version(self, month: str, dataset: Dataset) -> str | None:
        manifest, found = self.manifest(month, dataset.name), self.on_disk(month, dataset.name)
        if manifest is not None and not (found and found.disk is Disk.CHANGED and dataset.editable):
            return manifest.data_version
        located = self._located(dataset, month)
        return None if located is None else version_of(self._layout, dataset, located)

    def _located(self, dataset: Dataset, month: str) -> Located | None:
        if dataset.kind is Kind.HIVE:
            return None
        try:
            return locate(self._layout, dataset, month)
        except CoupangAssetsError:
            return None


def _failed_check(
    instance: dg.DagsterInstance, month: str, name: str, checks: Sequence[str], run_id: str
) -> str | None:
    """The first of a dataset's checks that has judged what this run has made for a month, and found it wrong."""
    from dagster._core.event_api import PartitionKeyFilter
    from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus as Status

    # A check that was only planned, because its dataset could not be made, has judged nothing.
    judged = {Status.SUCCEEDED, Status.FAILED}
    storage, of_month = instance.event_log_storage, PartitionKeyFilter(key=month)
    for check in checks:
        key = dg.AssetCheckKey(dg.AssetKey(name), check)
        for record in storage.get_asset_check_execution_history(key, 1, status=judged, partition_filter=of_month):
            evaluation = record.evaluation
            if not isinstance(evaluation, dg.AssetCheckEvaluation) or evaluation.passed:
                continue
            made = evaluation.target_materialization_data
            if (
                evaluation.severity is dg.AssetCheckSeverity.ERROR
                and (made.run_id if made else record.run_id) == run_id
            ):
                return check
    return None
