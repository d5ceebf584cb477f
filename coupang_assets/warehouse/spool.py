"""Days that came over the wire, kept in temporary files while the warehouse lives.

Belongs here: the files and their removal, also of those that a killed process left. Does not: what is in them.
"""

import fcntl
import shutil
import tempfile
import weakref
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.dataset as ds

from coupang_assets.files import atomic_path

_PREFIX = "hive-"
_LOCK = ".lock"


class Spool:
    """A folder of this process below ``parent``; made on first use, gone at the latest when the process ends."""

    def __init__(self, parent: Path) -> None:
        self._parent = parent

    def keep(self, name: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> ds.Dataset:
        """Write batches as they come, and give them back as a dataset; a name that is there is replaced."""
        path = self._folder / f"{name}.arrow"
        with (
            atomic_path(path) as temporary,
            pa.OSFile(str(temporary), "wb") as file,
            pa.ipc.new_file(file, schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer,
        ):
            for batch in batches:
                writer.write_batch(batch)
        return ds.dataset([str(path)], schema=schema, format="ipc")

    @cached_property
    def _folder(self) -> Path:
        self._parent.mkdir(parents=True, exist_ok=True)
        for left in self._parent.glob(f"{_PREFIX}*"):
            _remove_abandoned(left)
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=self._parent))
        lock = (folder / _LOCK).open("wb")
        fcntl.flock(lock, fcntl.LOCK_EX)
        weakref.finalize(self, _remove, folder, lock)
        return folder


def _remove(folder: Path, lock: BinaryIO) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    lock.close()


def _remove_abandoned(folder: Path) -> None:
    """Remove a folder whose process is gone: the system has freed its lock."""
    try:
        with (folder / _LOCK).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
    except OSError:
        return
