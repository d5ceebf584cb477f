"""A CSV file of the specification as one file or, as Spark writes it, a folder of part files under the file's name.

Each part has the header. What they say together is one text: the header once, then the rows of the parts in order.
Size and SHA-256 of a folder are those of that text, so that equal rows have equal versions whichever engine wrote them.
"""

import hashlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from coupang_assets.errors import CoupangAssetsError
from coupang_assets.files import copy_file, fsync_path

_PART = re.compile(r"part-(\d+)")
_BLOCK_BYTES = 1 << 20


def part_files(path: Path) -> list[Path]:
    """The file itself, or the parts of a folder in order. What Spark writes beside them starts with ``.`` or ``_``.

    Raises:
        CoupangAssetsError: the folder has no part, or holds what is none.
    """
    if not path.is_dir():
        return [path]
    parts: list[tuple[int, str, Path]] = []
    for file in path.iterdir():
        if file.name.startswith((".", "_")):
            continue
        number = _PART.match(file.name)
        if number is None or not file.is_file():
            raise CoupangAssetsError(f"{file} is no part file of {path.name}", "remove it")
        parts.append((int(number[1]), file.name, file))
    if not parts:
        raise CoupangAssetsError(f"{path} is a folder without a part file", "materialize its dataset again")
    return [file for *_, file in sorted(parts)]


def content_size(path: Path) -> int:
    """Bytes of the text that a file or the parts of a folder hold."""
    first, *others = part_files(path)
    return first.stat().st_size + sum(part.stat().st_size - len(_header(part, first)) for part in others)


def content_sha256(path: Path) -> str:
    """SHA-256, hex, of the text that a file or the parts of a folder hold."""
    digest = hashlib.sha256()
    for block in _content(path):
        digest.update(block)
    return digest.hexdigest()


def changed_ns(path: Path) -> int:
    """When a file, or a folder or a part of it, was last written, in nanoseconds."""
    folder = [path] if path.is_dir() else []
    return max(file.stat().st_mtime_ns for file in [*folder, *part_files(path)])


def part_sizes(path: Path) -> dict[str, int]:
    """Bytes of each part file by name; empty for a plain file."""
    return {part.name: part.stat().st_size for part in part_files(path)} if path.is_dir() else {}


def copy_content(path: Path, target: Path) -> None:
    """Write the text of a file, or of the parts of a folder, as the one file ``target``."""
    if path.is_dir():
        with target.open("xb") as file:
            file.writelines(_content(path))
    else:
        copy_file(path, target)


def fsync_content(path: Path) -> None:
    """Flush a file, or a folder with all that is in it, to the disk."""
    if path.is_dir():
        for file in path.iterdir():
            fsync_path(file)
    fsync_path(path)


def remove_content(path: Path) -> None:
    """Remove a file or a folder; neither being there is fine."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _content(path: Path) -> Iterator[bytes]:
    first, *others = part_files(path)
    for part in (first, *others):
        with part.open("rb") as file:
            if part != first:
                file.seek(len(_header(part, first)))
            while block := file.read(_BLOCK_BYTES):
                yield block


def _header(part: Path, first: Path) -> bytes:
    """The header line of a part, which is that of the first."""
    with part.open("rb") as file, first.open("rb") as expected:
        line = file.readline()
        if line != expected.readline() or not line.endswith(b"\n"):
            raise CoupangAssetsError(
                f"{part} is torn or of another file: it does not begin with the header of {first.name}",
                "materialize its dataset again",
            )
    return line
