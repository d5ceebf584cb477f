"""Replacing the files of a dataset together, so that a kill at any moment leaves the old version or the new.

Each file is written under a hidden temporary name in its own folder, and its content is kept in the history. A
pending record that names them all is the point of no return: before it nothing has changed, after it whoever comes
next finishes the renames and the history's log. A file may be a folder of part files; no file system replaces a folder,
or a file by one, in a single rename, so the old version is first put aside under another hidden name.
Belongs here: that protocol. Does not: what is in the files.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

from filelock import FileLock
from pydantic import BaseModel

from coupang_assets.files import fsync_path, write_text
from coupang_assets.storage import version_log
from coupang_assets.storage.edits import keep_edit
from coupang_assets.storage.history import History
from coupang_assets.storage.manifest import FOLDER, FileRecord, Manifest, manifest_path, record_file
from coupang_assets.storage.part_files import fsync_content, remove_content


def temporary_name(path: Path) -> Path:
    """The hidden name a file of a dataset has in its own folder until the commit."""
    return path.with_name(f".{path.name}.tmp")


def _old_name(path: Path) -> Path:
    return path.with_name(f".{path.name}.old")


class _Pending(BaseModel):
    """What is to be done; ``log`` is relative to the month's folder, so that a root may be moved meanwhile."""

    manifest: Manifest
    remove: list[str]
    log: str | None = None
    kept_table: FileRecord | None = None


@contextmanager
def dataset_lock(month_folder: Path, dataset: str) -> Iterator[None]:
    """One writer at a time for a dataset of a month; the operating system frees it when a run is killed.

    Whoever gets it first finishes a commit that was cut off: its temporaries must not be written over.
    """
    folder = month_folder / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / f".{dataset}.lock"):
        if (path := _pending_path(month_folder, dataset)).exists():
            _finish(month_folder, _Pending.model_validate_json(path.read_bytes()))
        yield


def commit(
    month_folder: Path,
    manifest: Manifest,
    remove: Sequence[str] = (),
    in_place: bool = False,
    history: History | None = None,
    table: Path | None = None,
) -> None:
    """Put the written temporaries of ``manifest.files`` in place, then the manifest; ``remove`` files go away.

    The caller holds :func:`dataset_lock` and has written every ``temporary_name`` of the files. What a person has
    changed by hand in the version before becomes a version of its own first.

    Args:
        in_place: there are no temporaries: what the manifest records (an appended journal, a Hive partition) is where
            it belongs already.
        history: where the new version is kept; None: nowhere.
        table: a file with the rows of a dataset that is no file, to be kept in its stead.

    Raises:
        OSError: the disk is full or gone. Before the point of no return the temporaries are removed.
    """

    def written(record: FileRecord) -> Path:
        path = month_folder / record.path
        return path if in_place else temporary_name(path)

    with history.adding() if history else nullcontext():
        pending = _Pending(manifest=manifest, remove=list(remove))
        try:
            for record in manifest.files:
                fsync_content(written(record))
            if history:
                if not in_place:
                    keep_edit(history, month_folder, manifest.dataset)
                history.keep(manifest, written)
                pending.log = os.path.relpath(history.log_path(manifest.month, manifest.dataset), month_folder)
                if table is not None:
                    pending.kept_table = record_file(table, f"{manifest.dataset}{table.suffix}", manifest.rows)
                    history.objects.put(table, pending.kept_table.sha256)
        except OSError:
            if not in_place:
                discard(month_folder, [record.path for record in manifest.files])
            raise
        # A failure from here on may have come after the record was in place: the temporaries are needed.
        write_text(_pending_path(month_folder, manifest.dataset), pending.model_dump_json())
        _finish(month_folder, pending)
    if history:
        history.drop_old_large(manifest.dataset)


def discard(month_folder: Path, names: Sequence[str]) -> None:
    """Remove what was written of a version that is not going to be: on a full disk it is in the way of the next."""
    for name in names:
        remove_content(temporary_name(month_folder / name))


def recover(month_folder: Path, dataset: str) -> bool:
    """Finish a commit that was cut off after its point of no return; True if there was one."""
    if not _pending_path(month_folder, dataset).exists():
        return False
    with dataset_lock(month_folder, dataset):
        return True


def _finish(month_folder: Path, pending: _Pending) -> None:
    folders = set()
    for record in pending.manifest.files:
        path = month_folder / record.path
        if (temporary := temporary_name(path)).exists():
            if path.is_dir() or (path.exists() and temporary.is_dir()):
                remove_content(_old_name(path))
                path.replace(_old_name(path))
            temporary.replace(path)
        remove_content(_old_name(path))
        folders.add(path.parent)
    for name in pending.remove:
        remove_content(month_folder / name)
    for folder in folders:
        fsync_path(folder)
    write_text(manifest_path(month_folder, pending.manifest.dataset), pending.manifest.model_dump_json(indent=1))
    if pending.log is not None:
        files = pending.manifest.files if pending.kept_table is None else [pending.kept_table]
        # Not resolved by the file system: the month may be a link to another disk.
        log = Path(os.path.normpath(month_folder / pending.log))
        version_log.append(log, pending.manifest.model_copy(update={"files": files}))
    _pending_path(month_folder, pending.manifest.dataset).unlink()


def pending_manifests(month_folder: Path) -> list[Manifest]:
    """Versions whose commit was cut off after its point of no return and is not finished yet."""
    paths = sorted((month_folder / FOLDER).glob(".*.pending.json"))
    return [_Pending.model_validate_json(path.read_bytes()).manifest for path in paths]


def _pending_path(month_folder: Path, dataset: str) -> Path:
    return month_folder / FOLDER / f".{dataset}.pending.json"
