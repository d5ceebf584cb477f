"""The versions a dataset of a month has had: an append-only log, one manifest a line.

Belongs here: the log's form, and finding a version by what a person calls it. Does not: the contents (``objects``),
or when a version is written (``commit``).
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from coupang_assets.errors import CoupangAssetsError
from coupang_assets.files import fsync_path
from coupang_assets.storage.manifest import Manifest

CURRENT = "current"
_SHORTEST_PREFIX = 4
_TAIL_BYTES = 65_536


@dataclass(frozen=True)
class Version:
    """A line of the log; ``number`` counts from 1, the oldest, and never changes."""

    number: int
    manifest: Manifest


def append(path: Path, manifest: Manifest) -> None:
    """Add a version, unless it is the last one already, as when a commit that was cut off is finished again.

    A torn last line, the trace of a kill, is cut off first.

    Raises:
        OSError: the disk is full; the log is as it was.
    """
    line = manifest.model_dump_json().encode() + b"\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    new = not path.exists()
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        end = _end_of_last_whole_line(descriptor)
        if os.fstat(descriptor).st_size > end:
            os.ftruncate(descriptor, end)
        if (
            end < len(line)
            or os.pread(descriptor, len(line) + 1, max(0, end - len(line) - 1)).removeprefix(b"\n") != line
        ):
            try:
                data = memoryview(line)
                while data:
                    data = data[os.write(descriptor, data) :]
            except OSError:
                os.ftruncate(descriptor, end)
                raise
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if new:
        fsync_path(path.parent)


def read(path: Path) -> Iterator[Version]:
    """Versions, the oldest first; none where there is no log. A last line without its end is skipped.

    Raises:
        CoupangAssetsError: another line is damaged; names file and line.
    """
    if not path.exists():
        return
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.endswith(b"\n"):
                return
            try:
                yield Version(number, Manifest.model_validate_json(line))
            except ValidationError as error:
                raise CoupangAssetsError(
                    f"{path}, line {number} is damaged: {error.errors()[0]['msg']}",
                    "restore that file from a backup, or empty that line's version by deleting the line; versions "
                    "after it are then numbered one lower",
                ) from None


def find(versions: list[Version], current: Manifest | None, text: str, what: str) -> Version:
    """The version a person means.

    Args:
        versions: of one dataset of a month, the oldest first.
        current: what lies there now.
        text: the beginning of its data version, ``@N`` as `history` numbers them, or ``current``.
        what: the dataset and month, for people.

    Raises:
        CoupangAssetsError: there is none, or several with different content begin so.
    """
    remedy = f"`coupang-assets history` lists the versions of {what}"
    if not versions:
        raise CoupangAssetsError(
            f"{what} has no history", "materialize it, or adopt the month if it was made before us"
        )
    if text == CURRENT:
        found = [v for v in versions if current is not None and same_version(v.manifest, current)]
    elif text.startswith("@"):
        found = [version for version in versions if f"@{version.number}" == text]
    elif not re.fullmatch(rf"[0-9a-f]{{{_SHORTEST_PREFIX},64}}", text):
        raise CoupangAssetsError(
            f"'{text}' names no version",
            f"give the first {_SHORTEST_PREFIX} or more characters of a data version, @N, or {CURRENT}; {remedy}",
        )
    else:
        found = [version for version in versions if version.manifest.data_version.startswith(text)]
    if not found:
        raise CoupangAssetsError(f"{what} has no version {text}", remedy)
    if len(contents := sorted({version.manifest.data_version for version in found})) > 1:
        raise CoupangAssetsError(
            f"{text} may be {len(contents)} versions of {what}: {', '.join(c[:12] for c in contents)}",
            "give more characters, or @N",
        )
    return found[-1]


def same_version(one: Manifest, other: Manifest) -> bool:
    """Whether two records are of one act of writing; equal content written twice is two versions."""
    return (one.run_id, one.data_version) == (other.run_id, other.data_version)


def _end_of_last_whole_line(descriptor: int) -> int:
    end = os.fstat(descriptor).st_size
    while end > 0:
        start = max(0, end - _TAIL_BYTES)
        newline = os.pread(descriptor, end - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0
