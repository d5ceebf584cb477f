"""Replacing the files of a dataset together, so that a kill at any moment leaves the old version or the new.

Each file is written under a hidden temporary name in its own folder. A pending record that names them all
is the point of no return: before it nothing has changed, after it whoever comes next finishes the renames.
A file may be a folder of part files; no file system replaces a folder, or a file by one, in a single rename, so the old
version is first put aside under another hidden name.
Belongs here: that protocol. Does not: what is in the files.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock
from pydantic import BaseModel

from coupang_assets.files import fsync_path, write_text
from coupang_assets.storage.manifest import FOLDER, Manifest, manifest_path
from coupang_assets.storage.part_files import fsync_content, remove_content


def temporary_name(path: Path) -> Path:
    """The hidden name a file of a dataset has in its own folder until the commit."""
    return path.with_name(f".{path.name}.tmp")


def _old_name(path: Path) -> Path:
    return path.with_name(f".{path.name}.old")


class _Pending(BaseModel):
    manifest: Manifest
    remove: list[str]


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


def commit(month_folder: Path, manifest: Manifest, remove: Sequence[str] = (), in_place: bool = False) -> None:
    """Put the written temporaries of ``manifest.files`` in place, then the manifest; ``remove`` files go away.

    The caller holds :func:`dataset_lock` and has written every ``temporary_name`` of the files.

    Args:
        in_place: there are no temporaries: what the manifest records (an appended journal, a Hive partition) is where
            it belongs already.
    """
    for record in manifest.files:
        path = month_folder / record.path
        fsync_content(path if in_place else temporary_name(path))
    pending = _Pending(manifest=manifest, remove=list(remove))
    write_text(_pending_path(month_folder, manifest.dataset), pending.model_dump_json())
    _finish(month_folder, pending)


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
    _pending_path(month_folder, pending.manifest.dataset).unlink()


def _pending_path(month_folder: Path, dataset: str) -> Path:
    return month_folder / FOLDER / f".{dataset}.pending.json"
