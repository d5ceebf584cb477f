"""What a person changed by hand in a dataset's files, kept as a version before it is replaced or once it is read.

Belongs here: making that version. Does not: whether an edit is allowed (``locate``).
"""

from datetime import UTC, datetime
from pathlib import Path

from coupang_assets.datasets import DATASETS, Kind
from coupang_assets.storage import version_log
from coupang_assets.storage.history import History
from coupang_assets.storage.manifest import (
    FileRecord,
    Manifest,
    content_version,
    is_as_recorded,
    read_manifest,
    record_file,
)

BY_HAND = "by hand"
_NOT_EDITABLE = {Kind.JOURNAL, Kind.HIVE}


def is_edited(month_folder: Path, manifest: Manifest) -> bool:
    """Whether small files that are there are not what was written."""
    definition = DATASETS[manifest.dataset]
    if definition.large or definition.kind in _NOT_EDITABLE:
        return False
    there = _there(month_folder, manifest)
    return not all(is_as_recorded(month_folder / record.path, record) for record in there)


def keep_edit(history: History, month_folder: Path, dataset: str) -> Manifest | None:
    """Keep small files that are not what was written as a version of origin ``edited``; None where there are none.

    It keeps the inputs and settings of the version the person began with, but no code version: no code of ours made
    these bytes, and they are checked in full when they are read. The caller holds the dataset's lock.
    """
    before = read_manifest(month_folder, dataset)
    if before is None or not is_edited(month_folder, before):
        return None
    there = _there(month_folder, before)
    records = [record_file(month_folder / record.path, record.path) for record in there]
    edit = before.model_copy(
        update={
            "run_id": BY_HAND,
            "origin": "edited",
            "code_version": None,
            "created": _moment(max(record.mtime_ns for record in records)),
            "data_version": content_version(records),
            "files": records,
        }
    )
    history.keep(edit, lambda record: month_folder / record.path)
    if history.made_from(edit.month, dataset, edit.data_version) is None:
        version_log.append(history.log_path(edit.month, dataset), edit)
    return edit


def _there(month_folder: Path, manifest: Manifest) -> list[FileRecord]:
    return [record for record in manifest.files if (month_folder / record.path).exists()]


def _moment(mtime_ns: int) -> str:
    return datetime.fromtimestamp(mtime_ns / 1e9, UTC).isoformat(timespec="seconds")
