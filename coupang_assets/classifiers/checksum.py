"""Model files that are not trusted before their checksum holds.

Belongs here: `<name>.sha256` in the format of `sha256sum`, writing it, and reading a file only if it agrees. Does not:
what is inside a model file.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from coupang_assets.errors import CoupangAssetsError
from coupang_assets.files import atomic_file, sha256_file

MAX_BYTES = 2 * 1024**3


def checksum_path(path: Path) -> Path:
    """Where the checksum of the file `path` lies."""
    return path.with_name(f"{path.name}.sha256")


class HashingWriter:
    """Hashes what passes through to a file."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def write(self, data: bytes | memoryview, /) -> int:
        self.digest.update(data)
        return self._file.write(data)


def write_checksum(path: Path, hexdigest: str | None = None) -> Path:
    """Write the checksum file of `path`, atomically, and return it.

    Args:
        hexdigest: SHA-256 of the file, if the caller has it.
    """
    sidecar = checksum_path(path)
    with atomic_file(sidecar) as file:
        file.write(f"{hexdigest or sha256_file(path)}  {path.name}\n".encode())
    return sidecar


@contextmanager
def verified(path: Path, remedy: str, max_bytes: int = MAX_BYTES) -> Iterator[BinaryIO]:
    """The file, open at its beginning, after its checksum has been verified.

    Args:
        remedy: what a person can do about a file that is not good.

    Raises:
        CoupangAssetsError: the file or its checksum is missing, larger than `max_bytes`, or they do not agree.
    """
    expected = recorded_digest(path, remedy)
    try:
        file = path.open("rb")
    except OSError as error:
        raise CoupangAssetsError(f"{path} cannot be opened: {error.strerror}.", remedy) from error
    with file:
        size = file.seek(0, os.SEEK_END)
        if size > max_bytes:
            raise CoupangAssetsError(
                f"{path} has {size:,} bytes, more than the {max_bytes:,} a model may have.",
                f"If the file is what you expect, raise the size limit; otherwise: {remedy}",
            )
        file.seek(0)
        if hashlib.file_digest(file, "sha256").hexdigest() != expected:
            raise CoupangAssetsError(f"{path} does not match its checksum: it is torn or was changed.", remedy)
        file.seek(0)
        yield file


def recorded_digest(path: Path, remedy: str) -> str:
    """The SHA-256 that the checksum file of `path` states, hex.

    Raises:
        CoupangAssetsError: it is missing or not in the format of sha256sum.
    """
    sidecar = checksum_path(path)
    try:
        text = sidecar.read_text("ascii")
    except FileNotFoundError as error:
        if path.exists():
            remedy = f"If you trust {path.name}, write one: sha256sum {path.name} > {sidecar.name}"
        raise CoupangAssetsError(f"The checksum {sidecar} does not exist.", remedy) from error
    except (OSError, UnicodeDecodeError) as error:
        raise CoupangAssetsError(f"The checksum {sidecar} cannot be read.", remedy) from error
    digest = text.split(maxsplit=1)[0].lower() if text.strip() else ""
    if len(digest) != 64 or not set(digest) <= set("0123456789abcdef"):
        raise CoupangAssetsError(f"{sidecar} is not in the format of sha256sum.", remedy)
    return digest
