"""The IO manager of the specification's files.

Takes and gives what an asset's annotation says: Ibis tables for what is large, pandas frames for what is small, a
mapping of days for daily files, paths for models and journals. Belongs here: dispatch, and the order validate,
write, commit, record. Does not: text formats (``csv_tables``) or the commit protocol (``commit``).
"""

import shutil
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import ibis.expr.types as ir
import pandas as pd
from dagster import DataVersion, InitResourceContext, InputContext, IOManager, OutputContext, io_manager

from coupang_assets.datasets import DATASETS, UPDATED_UNIQUE, Dataset, Kind
from coupang_assets.engines import Engine
from coupang_assets.errors import CoupangAssetsError
from coupang_assets.storage.base_month import BaseMonth
from coupang_assets.storage.commit import commit, dataset_lock, discard, temporary_name
from coupang_assets.storage.csv_tables import read_frame, read_table, write_frame, write_table
from coupang_assets.storage.failures import as_dagster_failures
from coupang_assets.storage.history import History
from coupang_assets.storage.layout import Layout
from coupang_assets.storage.locate import Located, locate
from coupang_assets.storage.lookup import current_version
from coupang_assets.storage.made_from import Definition, InputVersions
from coupang_assets.storage.manifest import FileRecord, Manifest, content_version, now, read_manifest, record_file
from coupang_assets.storage.metadata import manifest_metadata
from coupang_assets.storage.origin_metadata import origin_metadata
from coupang_assets.storage.part_files import remove_content
from coupang_assets.storage.progress import RowProgress, watched
from coupang_assets.storage.streamed_days import StreamedDays
from coupang_assets.storage.versions import version_of

# On an input: which base month it is read from (see ``base_month``).
BASE_MONTH_KEY = "coupang_assets/base_month"
CHOSEN = "chosen"
RECORDED = "recorded"

DailyTables = Mapping[str, ir.Table]


@dataclass(frozen=True)
class StagedFiles:
    """Model files written to a folder of :meth:`SpecFilesIOManager`'s month, to be committed together.

    Attributes:
        folder: holds one file for each of the dataset's paths, under its last name.
        rows: rows of each file that has any, by last name.
    """

    folder: Path
    rows: Mapping[str, int] | None = None


@dataclass(frozen=True)
class AppendedFile:
    """A file its asset has appended to in place.

    Attributes:
        data_version: follows from what the file says; its bytes hold times, which make no other version.
    """

    path: Path
    data_version: str


def staging_folder(layout: Layout, dataset: Dataset, month: str) -> Path:
    """An empty folder to write a dataset's files to before they are committed."""
    folder = layout.month_folder(month) / f".{dataset.name}.staging"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


class SpecFilesIOManager(IOManager):
    """See the module."""

    def __init__(
        self,
        layout: Layout,
        engine: Engine,
        local_engine: Engine,
        base_month: BaseMonth,
        input_versions: InputVersions,
    ) -> None:
        self._layout = layout
        self._engine = engine
        self._local_engine = local_engine
        self._base_month = base_month
        self._input_versions = input_versions

    def handle_output(self, context: OutputContext, obj: object) -> None:
        """Write a dataset of a month; nothing that is there changes unless all of it is good.

        Raises:
            dagster.Failure: the value does not hold what the dataset promises, or the disk refuses.
        """
        dataset = DATASETS[context.asset_key.path[-1]]
        month = context.asset_partition_key
        folder = self._layout.month_folder(month)
        with as_dagster_failures(context.step_context.previous_attempt_count):
            folder.mkdir(parents=True, exist_ok=True)
            with dataset_lock(folder, dataset.name):
                names = self._layout.file_names(dataset, month, list(obj) if isinstance(obj, Mapping) else None)
                try:
                    records = self._write(context, dataset, folder, names, obj)
                except BaseException:
                    discard(folder, names)
                    raise
                base, requested = self._base_of_output(dataset, month)
                definition = Definition.of(context.asset_spec)
                manifest = Manifest(
                    dataset=dataset.name,
                    month=month,
                    base_month=base,
                    base_requested=requested,
                    run_id=context.run_id,
                    code_version=definition.code_version,
                    data_version=obj.data_version if isinstance(obj, AppendedFile) else content_version(records),
                    files=records,
                    inputs=self._input_versions.of(context.run_id, context.step_key),
                    settings=definition.settings,
                    libraries=definition.libraries,
                    created=now(),
                )
                outdated = self._outdated(dataset, folder, records)
                history = History(self._layout)
                commit(folder, manifest, outdated, in_place=dataset.kind is Kind.JOURNAL, history=history)
            if isinstance(obj, StagedFiles):
                shutil.rmtree(obj.folder, ignore_errors=True)
            if isinstance(obj, StreamedDays):
                context.add_output_metadata(obj.found())
            context.add_output_metadata(manifest_metadata(dataset, folder, manifest))
            context.add_output_metadata(origin_metadata(self._layout, manifest))
            skipped = self._layout.skipped_months(month, manifest.base_month)
            if dataset.based_on_earlier_month and skipped:
                context.add_output_metadata({"skipped months": ", ".join(skipped)})
        context.step_context.set_data_version(context.asset_key, DataVersion(manifest.data_version))

    def load_input(self, context: InputContext) -> object:
        """Read a dataset as the consumer's annotation says; None for an optional base month that is not there.

        Raises:
            dagster.Failure: a file is missing, torn or does not hold its schema.
        """
        dataset = DATASETS[context.asset_key.path[-1]]
        wanted, optional = _without_optional(context.dagster_type.typing_type)
        with as_dagster_failures(context.step_context.previous_attempt_count):
            month = self._month_of_input(context)
            if month is None:
                if optional:
                    return None
                raise CoupangAssetsError(f"{dataset.name} has no earlier month to be read from")
            located = locate(self._layout, dataset, month)
            step = context.step_context
            version = version_of(self._layout, dataset, located)
            self._input_versions.note(step.run_id, step.step.key, dataset.name, located.month, version)
            if located.changed and dataset.kind is not Kind.JOURNAL:
                # What is read becomes a version, so that what is made of it can be traced back to it.
                current_version(History(self._layout), month, dataset.name)
                context.log.warning(
                    f"{located.paths[0]} is not what was written for {month}; it was changed by hand and is read as is"
                )
            return self._read(dataset, located, wanted)

    def _read(self, dataset: Dataset, located: Located, wanted: object) -> object:
        if wanted is pd.DataFrame:
            return pd.concat([read_frame(dataset, path) for path in located.paths], ignore_index=True)
        if wanted is Path:
            return located.paths[0]
        if typing.get_origin(wanted) is list:
            return located.paths
        engine = self._local_engine if dataset.read_locally else self._engine
        if wanted is ir.Table:
            return read_table(dataset, located.paths, engine, located.trusted)
        if typing.get_origin(wanted) in (Mapping, dict):  # Dagster shows a Mapping as Dict.
            return {path.stem: read_table(dataset, [path], engine, located.trusted) for path in located.paths}
        raise CoupangAssetsError(f"{dataset.name} cannot be read as {wanted}", "annotate the input with a known type")

    def _write(
        self, context: OutputContext, dataset: Dataset, folder: Path, names: list[str], obj: object
    ) -> list[FileRecord]:
        if isinstance(obj, Mapping):
            return self._write_days(context, dataset, folder, obj)
        rows: dict[str, int] = {}
        if isinstance(obj, StagedFiles):
            for name in names:
                temporary = temporary_name(folder / name)
                temporary.parent.mkdir(parents=True, exist_ok=True)
                (obj.folder / Path(name).name).replace(temporary)
            rows = {name: count for name in names if (count := (obj.rows or {}).get(Path(name).name)) is not None}
        elif isinstance(obj, AppendedFile):
            return [record_file(obj.path, name) for name in names]
        elif isinstance(obj, pd.DataFrame | ir.Table):
            with watched(self._engine.percent_done, context.log.info):
                rows[names[0]] = self._write_one(dataset, obj, folder / names[0])
        else:
            raise CoupangAssetsError(f"{dataset.name} cannot be written from {type(obj).__name__}")
        return [record_file(temporary_name(folder / name), name, rows.get(name)) for name in names]

    def _write_days(
        self,
        context: OutputContext,
        dataset: Dataset,
        folder: Path,
        days: Mapping[str, ir.Table | pd.DataFrame] | StreamedDays,
    ) -> list[FileRecord]:
        if not days:
            raise CoupangAssetsError(f"{dataset.name} was given no day to write")
        names = self._layout.file_names(dataset, context.asset_partition_key, list(days))
        records = []
        total = sum(days.rows.values()) if isinstance(days, StreamedDays) else None
        progress = RowProgress(context.log.info, total)
        for done, (day, name) in enumerate(zip(days, names, strict=True), start=1):
            if isinstance(days, StreamedDays):
                count = self._write_one(dataset, days[day](progress), folder / name)
            else:
                with watched(self._engine.percent_done, context.log.info):
                    count = self._write_one(dataset, days[day], folder / name)
                progress.add(count)
            records.append(record_file(temporary_name(folder / name), name, count))
            progress.say(f"day {done} of {len(days)}")
        return records

    def _write_one(self, dataset: Dataset, table: ir.Table | pd.DataFrame, path: Path) -> int:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_content(temporary_name(path))
        if isinstance(table, pd.DataFrame):
            return write_frame(dataset, table, temporary_name(path))
        return write_table(dataset, table, temporary_name(path), self._engine)

    def _outdated(self, dataset: Dataset, folder: Path, records: list[FileRecord]) -> list[str]:
        """Files of the version before that the new version does not have, such as a day no longer sampled."""
        before = read_manifest(folder, dataset.name)
        kept = {record.path for record in records}
        return [record.path for record in before.files if record.path not in kept] if before else []

    def _month_of_input(self, context: InputContext) -> str | None:
        step_month = context.step_context.partition_key
        base = (context.definition_metadata or {}).get(BASE_MONTH_KEY)
        if base == CHOSEN:
            return self._base_month.choose(self._layout, step_month)
        if base == RECORDED:
            return self._base_month.recorded(self._layout, step_month)
        return context.asset_partition_key

    def _base_of_output(self, dataset: Dataset, month: str) -> tuple[str | None, bool]:
        """The base month, and whether a person named it."""
        if not dataset.based_on_earlier_month:
            return None, False
        if dataset.name == UPDATED_UNIQUE.name:
            return self._base_month.choose(self._layout, month), bool(self._base_month.month)
        base = self._base_month.recorded(self._layout, month)
        recorded = read_manifest(self._layout.folder_on_disk(month), UPDATED_UNIQUE.name)
        return base, recorded.base_requested if recorded else bool(self._base_month.month)


def _without_optional(annotation: object) -> tuple[object, bool]:
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        kept = [part for part in typing.get_args(annotation) if part is not type(None)]
        return (kept[0] if len(kept) == 1 else annotation), len(kept) < len(typing.get_args(annotation))
    return annotation, False


@io_manager(
    required_resource_keys={"layout", "engine", "local_engine", "base_month", "input_versions", "run_lock"},
    description="Files of the specification under <root>/data/YYYY_MM.",
)
def spec_files_io_manager(context: InitResourceContext) -> SpecFilesIOManager:
    """The IO manager from the graph's resources."""
    resources = context.resources
    return SpecFilesIOManager(
        resources.layout, resources.engine, resources.local_engine, resources.base_month, resources.input_versions
    )
