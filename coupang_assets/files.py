"""Durable writes of single files: temporary file in the same folder, fsync, rename.

Every room writes through here. Belongs here: what one file needs. Does not: several files that belong together
(``storage.commit``).
"""

import errno
import glob
import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

_ABANDONED_SECONDS = 24 * 60 * 60


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path that becomes ``path`` when the block ends well, and vanishes when it does not.

    Its name starts with a dot, so that Hive and file globs never take it for data, and is of this writer alone, so
    that two processes may make the same file. What a killed writer has left of the file goes when nothing has been
    written to it for a day.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(path)
    temporary = path.with_name(f".{path.name}.{uuid4().hex}.tmp")
    try:
        yield temporary
        fsync_path(temporary)
        temporary.replace(path)
        fsync_path(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _remove_abandoned(path: Path) -> None:
    for left in path.parent.glob(f".{glob.escape(path.name)}.{'[0-9a-f]' * 32}.tmp"):
        # Its writer may rename it, or another one remove it, meanwhile.
        with suppress(FileNotFoundError):
            if time.time() - left.stat().st_mtime > _ABANDONED_SECONDS:
                left.unlink()


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """A binary file to write to, which becomes ``path`` when the block ends well."""
    with atomic_path(path) as temporary, temporary.open("xb") as file:
        yield file
        file.flush()


def write_text(path: Path, text: str) -> None:
    """Replace a file's text at once."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def fsync_path(path: Path) -> None:
    """Flush a file's or folder's entries to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_file(path: Path) -> str:
    """SHA-256 of a file, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def copy_file(source: Path, target: Path) -> None:
    """Copy a file's content; where the file system can share the blocks of two files, none is written."""
    with source.open("rb") as reader, target.open("xb") as writer:
        left = os.fstat(reader.fileno()).st_size
        try:
            while left and (copied := os.copy_file_range(reader.fileno(), writer.fileno(), left)):
                left -= copied
        except OSError as error:
            # Between some file systems the kernel cannot copy by itself.
            if error.errno not in (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
                raise
        # What the kernel has not copied follows; both files stand where it stopped.
        shutil.copyfileobj(reader, writer)
