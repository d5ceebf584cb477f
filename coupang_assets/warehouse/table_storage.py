"""The storage a table's location names: local, HDFS, S3 through pyarrow, anything else through fsspec.

Belongs here: reaching it within a time, listing and removing. Does not: what the files are.
"""

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import pyarrow as pa
from pyarrow import fs

from coupang_assets.warehouse.orc_files import DirectReadError

T = TypeVar("T")
# Hadoop's names of S3, which pyarrow does not know.
_S3_SCHEMES = ("s3a://", "s3n://")


@dataclass(frozen=True)
class TableStorage:
    """Reaches locations, waiting at most ``timeout_seconds`` for each answer: an HDFS that is away never gives one."""

    timeout_seconds: float

    def data_files(self, location: str) -> tuple[fs.FileSystem, list[str]]:
        """File system, and paths of the files of a partition that hold rows, in order.

        Raises:
            DirectReadError: the storage cannot be reached, or there are folders where files should be.
        """
        filesystem, path = self._open(location)
        found = [i for i in self._listing(filesystem, path, location) if not i.base_name.startswith((".", "_"))]
        if folders := [info.base_name for info in found if info.type is fs.FileType.Directory]:
            raise DirectReadError(f"{location} holds folders: {', '.join(folders[:3])}")
        # Hive leaves empty files for empty buckets.
        return filesystem, sorted(info.path for info in found if info.size)

    def folders(self, location: str) -> list[str]:
        """Names of the folders below a location; raises :class:`DirectReadError` where it cannot be reached."""
        filesystem, path = self._open(location)
        listing = self._listing(filesystem, path, location)
        return sorted(info.base_name for info in listing if info.type is fs.FileType.Directory)

    def remove(self, location: str) -> None:
        """Delete a folder; raises :class:`DirectReadError` where it cannot be done."""
        filesystem, path = self._open(location)
        self._within_time(lambda: filesystem.delete_dir(path), location)

    def _open(self, location: str) -> tuple[fs.FileSystem, str]:
        return self._within_time(lambda: _file_system(location), location)

    def _listing(self, filesystem: fs.FileSystem, path: str, location: str) -> list[fs.FileInfo]:
        return self._within_time(lambda: filesystem.get_file_info(fs.FileSelector(path)), location)

    def _within_time(self, action: Callable[[], T], location: str) -> T:
        answers: queue.Queue[tuple[T | None, Exception | None]] = queue.Queue()

        def work() -> None:
            try:
                answers.put((action(), None))
            except Exception as error:  # Each fsspec file system has kinds of its own.
                answers.put((None, error))

        threading.Thread(target=work, name=f"storage of {location}", daemon=True).start()
        try:
            answer, error = answers.get(timeout=self.timeout_seconds)
        except queue.Empty:
            raise DirectReadError(f"{location} did not answer in {self.timeout_seconds:g} s") from None
        if error is not None:
            raise DirectReadError(f"{location} is out of reach: {str(error).splitlines()[0]}")
        return answer  # type: ignore[return-value]


def _file_system(location: str) -> tuple[fs.FileSystem, str]:
    for scheme in _S3_SCHEMES:
        if location.startswith(scheme):
            location = "s3://" + location.removeprefix(scheme)
    if location.startswith("file:"):
        return fs.LocalFileSystem(), "/" + location.removeprefix("file:").lstrip("/")
    try:
        return fs.FileSystem.from_uri(location)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        import fsspec

        filesystem, path = fsspec.core.url_to_fs(location)
        return fs.PyFileSystem(fs.FSSpecHandler(filesystem)), path
