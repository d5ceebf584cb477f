"""Bringing a version's files back, through the commit protocol.

Belongs here: files and manifest. Does not: Dagster's record of it (``reported``), or which version (``versions``).
"""

from uuid import uuid4

from coupang_assets.datasets import DATASETS
from coupang_assets.storage.commit import commit, dataset_lock, discard, temporary_name
from coupang_assets.storage.history import History
from coupang_assets.storage.manifest import FileRecord, Manifest, is_as_recorded, now, read_manifest


def restored_manifest(manifest: Manifest, files: list[FileRecord]) -> Manifest:
    """A version's record as what lies there now: an act of its own, with the inputs, code and settings it had."""
    return manifest.model_copy(
        update={"origin": "restored", "run_id": str(uuid4()), "created": now(), "files": files},
    )


def lies_there(history: History, manifest: Manifest) -> bool:
    """Whether a dataset's files are all there and just what the record says; of a table only the warehouse knows."""
    folder = history.layout.folder_on_disk(manifest.month)
    return bool(manifest.files) and all(
        (folder / record.path).exists() and is_as_recorded(folder / record.path, record) for record in manifest.files
    )


def restore_files(history: History, version: Manifest) -> Manifest:
    """Put a kept version's files in place of those that are there; what a person had edited is kept first.

    Raises:
        CoupangAssetsError: a content is no longer kept, or is damaged; nothing was changed.
        OSError: the disk is full; nothing was changed.
    """
    dataset = DATASETS[version.dataset]
    folder = history.layout.folder_on_disk(version.month)
    folder.mkdir(parents=True, exist_ok=True)
    names = [record.path for record in version.files]
    with dataset_lock(folder, dataset.name):
        discard(folder, names)
        try:
            files = []
            for record in version.files:
                temporary = temporary_name(folder / record.path)
                temporary.parent.mkdir(parents=True, exist_ok=True)
                history.objects.take(record.sha256, temporary, link=dataset.large)
                files.append(record.model_copy(update={"mtime_ns": temporary.stat().st_mtime_ns}))
        except BaseException:
            discard(folder, names)
            raise
        before = read_manifest(folder, dataset.name)
        outdated = [record.path for record in before.files if record.path not in names] if before else []
        manifest = restored_manifest(version, files)
        commit(folder, manifest, outdated, history=history)
    return manifest
