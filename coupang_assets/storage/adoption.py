"""Month folders made before us: which files are a dataset's, whether they hold, and taking them as a version.

Belongs here: files. Does not: telling Dagster (``reported``), or reading what only another room can read (models,
journals), which the caller hands in.
"""

from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from coupang_assets.datasets import Dataset, Kind
from coupang_assets.engines import Engine
from coupang_assets.errors import CoupangAssetsError
from coupang_assets.storage.commit import commit, dataset_lock
from coupang_assets.storage.csv_tables import read_frame, read_table
from coupang_assets.storage.history import History
from coupang_assets.storage.layout import Layout
from coupang_assets.storage.manifest import Manifest, content_version, now, record_file

# Reads all of a dataset's files that are there, raises for what does not hold; rows by file, where it has any.
Validation = Callable[[list[Path]], dict[Path, int]]


def files_of(layout: Layout, dataset: Dataset, month: str) -> list[Path]:
    """The files of a dataset that are there, in its order, under either spelling of the month and whatever cap.

    Raises:
        CoupangAssetsError: several files may be the same one.
    """
    folder = layout.folder_on_disk(month)
    found = []
    for template in dataset.paths:
        patterns = {
            template.format(day="[0-9]" * 8, cap="[0-9]*", month=spelling)
            for spelling in (month, month.replace("_", "-"))
        }
        paths = sorted({path for pattern in patterns for path in folder.glob(pattern) if path.is_file()})
        if len(paths) > 1 and "{day}" not in template:
            raise CoupangAssetsError(
                f"{' and '.join(path.name for path in paths)} in {folder} may both be {dataset.name}",
                "move those away that are not the month's, and adopt it again",
            )
        found += paths
    return found


def table_validation(dataset: Dataset, engine: Engine) -> Validation:
    """Reads tables in full: columns, codes, numbers, uniqueness, last line."""

    def validate(paths: list[Path]) -> dict[Path, int]:
        if dataset.large:
            return {path: int(read_table(dataset, [path], engine, trusted=False).count().execute()) for path in paths}
        return {path: len(read_frame(dataset, path)) for path in paths}

    return validate


def adopt_files(
    history: History,
    dataset: Dataset,
    month: str,
    paths: list[Path],
    validate: Validation,
    data_version: str | None = None,
) -> Manifest:
    """Take files as a version of the dataset, as they are; they are not changed.

    It has no code version and no inputs: what made them is not known.

    Args:
        data_version: of a journal; None: follows from the files.

    Raises:
        CoupangAssetsError: they do not hold what the dataset promises; nothing is recorded.
    """
    folder = history.layout.folder_on_disk(month)
    rows = validate(paths)
    with dataset_lock(folder, dataset.name):
        files = [record_file(path, str(path.relative_to(folder)), rows.get(path)) for path in paths]
        manifest = adopted(dataset, month, data_version or content_version(files)).model_copy(update={"files": files})
        commit(folder, manifest, in_place=True, history=history)
    return manifest


def adopted(dataset: Dataset, month: str, data_version: str) -> Manifest:
    """The record of a version that was there before us."""
    return Manifest(
        dataset=dataset.name,
        month=month,
        run_id=str(uuid4()),
        data_version=data_version,
        files=[],
        created=now(),
        origin="adopted",
    )


def is_adoptable(dataset: Dataset) -> bool:
    """Whether a folder made before us may hold it; the Hive partition lies elsewhere."""
    return dataset.kind is not Kind.HIVE and not dataset.on_request
