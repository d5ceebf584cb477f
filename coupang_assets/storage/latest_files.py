"""The IO manager of datasets that are not monthly: one version, the latest, under ``<root>/products``.

The same promises as for a month's files: together or not at all, recorded in a manifest, refused when they are no
longer what was written. Belongs here: dispatch, as in ``spec_files``. Does not: the commit protocol.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

import ibis.expr.types as ir
import pyarrow.dataset as ds
from dagster import DataVersion, InitResourceContext, InputContext, IOManager, MetadataValue, OutputContext, io_manager

from coupang_assets.datasets import PRODUCT_DATASETS, Dataset
from coupang_assets.engines import ReadsArrow
from coupang_assets.errors import CoupangAssetsError
from coupang_assets.storage.commit import commit, dataset_lock, discard, recover, temporary_name
from coupang_assets.storage.failures import as_dagster_failures
from coupang_assets.storage.layout import Layout
from coupang_assets.storage.manifest import (
    Manifest,
    content_version,
    is_as_recorded,
    now,
    read_manifest,
    record_file,
)


@dataclass(frozen=True)
class StagedTable:
    """A table written to `folder`, one file for each of the dataset's paths, all with the same rows."""

    folder: Path
    rows: int


class LatestFiles:
    """The files of a dataset that is not monthly, as they lie."""

    def __init__(self, layout: Layout, dataset: Dataset) -> None:
        self.folder = layout.products_folder
        self._dataset = dataset

    def find(self) -> list[Path] | None:
        """The files of the last version, or None where there is none or it is not as it was written."""
        recover(self.folder, self._dataset.name)
        manifest = read_manifest(self.folder, self._dataset.name)
        if manifest is None:
            return None
        files = [(self.folder / record.path, record) for record in manifest.files]
        whole = all(path.exists() and is_as_recorded(path, record) for path, record in files)
        return [path for path, _ in files] if whole else None

    def staging(self) -> Path:
        """An empty folder for the next version."""
        folder = self.folder / f".{self._dataset.name}.staging"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def commit(self, staged: StagedTable, run_id: str, code_version: str | None) -> Manifest:
        """Put a new version in place of the last."""
        names = list(self._dataset.paths)
        with dataset_lock(self.folder, self._dataset.name):
            try:
                for name in names:
                    (staged.folder / name).replace(temporary_name(self.folder / name))
                records = [record_file(temporary_name(self.folder / name), name, staged.rows) for name in names]
            except BaseException:
                discard(self.folder, names)
                raise
            manifest = Manifest(
                dataset=self._dataset.name,
                month="",
                run_id=run_id,
                code_version=code_version,
                data_version=content_version(records),
                files=records,
                created=now(),
            )
            commit(self.folder, manifest)
        shutil.rmtree(staged.folder, ignore_errors=True)
        return manifest


class LatestFilesIOManager(IOManager):
    """See the module."""

    def __init__(self, layout: Layout, engine: ReadsArrow) -> None:
        self._layout = layout
        self._engine = engine

    def handle_output(self, context: OutputContext, obj: StagedTable) -> None:
        """Put the staged files in place.

        Raises:
            dagster.Failure: the disk refuses.
        """
        files = LatestFiles(self._layout, PRODUCT_DATASETS[context.asset_key.path[-1]])
        with as_dagster_failures(context.step_context.previous_attempt_count):
            manifest = files.commit(obj, context.run_id, context.asset_spec.code_version)
        context.add_output_metadata(
            {
                "dagster/uri": MetadataValue.text((files.folder / manifest.files[0].path).as_uri()),
                "dagster/row_count": MetadataValue.int(obj.rows),
                "path": MetadataValue.path(files.folder / manifest.files[0].path),
                "bytes": MetadataValue.int(manifest.total_bytes),
                "content hash": MetadataValue.text(manifest.data_version),
            }
        )
        context.step_context.set_data_version(context.asset_key, DataVersion(manifest.data_version))

    def load_input(self, context: InputContext) -> object:
        """The files as paths (``list[Path]``), or the Parquet file as a table (``ir.Table``).

        Raises:
            dagster.Failure: there are none, or they are not what was written.
        """
        dataset = PRODUCT_DATASETS[context.asset_key.path[-1]]
        with as_dagster_failures(context.step_context.previous_attempt_count):
            paths = LatestFiles(self._layout, dataset).find()
            if paths is None:
                raise CoupangAssetsError(
                    f"{dataset.name} is not there, or not as it was written", f"materialize {dataset.name}"
                )
            if context.dagster_type.typing_type is ir.Table:
                (parquet,) = [path for path in paths if path.suffix == ".parquet"]
                return self._engine.read_stream(ds.dataset(parquet).scanner().to_reader())
            return paths


@io_manager(required_resource_keys={"layout", "local_engine", "run_lock"}, description="Files that are not monthly.")
def latest_files_io_manager(context: InitResourceContext) -> LatestFilesIOManager:
    """The IO manager from the graph's resources."""
    return LatestFilesIOManager(context.resources.layout, context.resources.local_engine)
