"""What was written: one manifest a dataset and month, under ``.manifests`` in the month's folder.

Belongs here: the record and how it is read. Does not: when it is written (``commit``).
"""

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import pandas as pd
from pydantic import BaseModel, JsonValue, ValidationError

from coupang_assets.errors import CoupangAssetsError
from coupang_assets.storage.part_files import changed_ns, content_sha256, content_size, part_sizes

FOLDER = ".manifests"
Origin = Literal["materialized", "restored", "adopted", "edited"]


class FileRecord(BaseModel):
    """One file: path relative to the month's folder, size in bytes, SHA-256, rows (None where it has none).

    Of a folder of part files, size and hash are those of its content as one file, and ``parts`` has the size of each
    part by name. The modification time lets a reader skip the hash while a file is untouched.
    """

    path: str
    bytes: int
    sha256: str
    mtime_ns: int
    rows: int | None = None
    parts: dict[str, int] = {}


class Manifest(BaseModel):
    """One version of a dataset: the files that belong together, and everything they came from.

    Attributes:
        base_month: the earlier month it was made from, too; None where it has none.
        base_requested: a person named that base month, so a later-made month does not take its place.
        code_version: of the code alone; settings and libraries have their own fields. None: not made by us.
        data_version: follows from the content alone.
        inputs: ``dataset@month`` (for a source: ``asset@month``) to the data version that was really read; None where
            nobody knows.
        settings: dotted name to value of each setting that affects the content. Never a secret.
        libraries: name to version of the third-party packages that shape the content.
        created: moment it was committed, UTC, ISO 8601.
        location: of a dataset that is no file: where its rows are.
        table_rows: rows of a dataset that is no file.
    """

    dataset: str
    month: str
    base_month: str | None = None
    base_requested: bool = False
    run_id: str
    code_version: str | None = None
    data_version: str
    files: list[FileRecord]
    inputs: dict[str, str] | None = None
    settings: dict[str, JsonValue] = {}
    libraries: dict[str, str] = {}
    created: str | None = None
    origin: Origin = "materialized"
    location: str | None = None
    table_rows: int | None = None

    @property
    def rows(self) -> int | None:
        counted = [record.rows for record in self.files if record.rows is not None]
        return sum(counted) if counted else self.table_rows

    @property
    def total_bytes(self) -> int:
        return sum(record.bytes for record in self.files)


def now() -> str:
    """This moment as manifests write it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def input_key(name: str, month: str) -> str:
    """Key of an input in :attr:`Manifest.inputs`."""
    return f"{name}@{month}"


def record_file(path: Path, name: str, rows: int | None = None) -> FileRecord:
    """The record of a written file that is to be called ``name``."""
    return FileRecord(
        path=name,
        bytes=content_size(path),
        sha256=content_sha256(path),
        mtime_ns=changed_ns(path),
        rows=rows,
        parts=part_sizes(path),
    )


def is_as_recorded(path: Path, record: FileRecord) -> bool:
    """Whether a file, or the parts of a folder together, still have the content they were recorded with."""
    if content_size(path) != record.bytes:
        return False
    return changed_ns(path) == record.mtime_ns or content_sha256(path) == record.sha256


def changed_file(path: Path, record: FileRecord) -> Path:
    """Of a file that is not as recorded: the part that is gone, new or of another size, else the file itself."""
    found = part_sizes(path)
    differing = [name for name in found.keys() | record.parts.keys() if found.get(name) != record.parts.get(name)]
    return path / min(differing) if found and record.parts and differing else path


def content_version(files: list[FileRecord]) -> str:
    """Data version of a dataset: a hash of its files' names and contents, so equal content is equal everywhere."""
    joined = "\n".join(f"{record.path} {record.sha256}" for record in files)
    return hashlib.sha256(joined.encode()).hexdigest()[:32]


def manifest_path(month_folder: Path, dataset: str) -> Path:
    """Where a dataset's manifest is."""
    return month_folder / FOLDER / f"{dataset}.json"


def read_manifest(month_folder: Path, dataset: str) -> Manifest | None:
    """The manifest, or None where the dataset was not written by us.

    Raises:
        CoupangAssetsError: it cannot be read.
    """
    path = manifest_path(month_folder, dataset)
    if not path.exists():
        return None
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except (ValidationError, OSError) as error:
        raise CoupangAssetsError(
            f"{path} cannot be read: {error}", f"delete it and materialize {dataset} again"
        ) from None


def frame_version(frame: pd.DataFrame) -> str:
    """Data version of a small table: a hash of its rows, whatever their order and their integer type."""
    text = frame.astype(object).where(frame.notna(), "").astype(str)
    rows = sorted("\x1f".join(row) for row in text.itertuples(index=False))
    return hashlib.sha256("\n".join([",".join(frame.columns), *rows]).encode()).hexdigest()[:32]
