"""Contents of files by their hash, each once: ``<root>/versions/objects/ab/<sha256>``.

Belongs here: putting a content in, getting it back unharmed, removing it. Does not: which version of which dataset
a content belongs to (``version_log``), or what is kept for how long (``prune``).
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from coupang_assets.errors import CoupangAssetsError
from coupang_assets.files import atomic_path, copy_file, sha256_file
from coupang_assets.storage.part_files import content_size, copy_content


class ObjectStore:
    """See the module.

    Args:
        folder: ``<root>/versions``; nothing is made before the first content is put in.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._objects = folder / "objects"

    def path(self, sha256: str) -> Path:
        """Where a content is, or would be."""
        return self._objects / sha256[:2] / sha256

    def holds(self, sha256: str) -> bool:
        return self.path(sha256).is_file()

    def put(self, source: Path, sha256: str, link: bool = False) -> None:
        """Keep the content of a file.

        Args:
            source: the file, or a folder of part files, whose content is kept as one file.
            sha256: of its content.
            link: share the file itself instead of copying it: costs no disk, but who writes into the file in place
                harms what is kept, which is found out when it is wanted back.

        Raises:
            OSError: the disk is full, or ``link`` and the file is a folder or lies on another file system.
        """
        target = self.path(sha256)
        if not link and self.holds(sha256) and target.stat().st_size == content_size(source):
            return
        with atomic_path(target) as temporary:
            if link:
                os.link(source, temporary)
            else:
                copy_content(source, temporary)

    def take(self, sha256: str, target: Path, link: bool = False) -> None:
        """Put a kept content back as the file ``target``, which is not there yet.

        Raises:
            CoupangAssetsError: it is not kept, or is not what was put in; ``target`` is not made.
        """
        source = self._require(sha256)
        try:
            if link:
                os.link(source, target)
            else:
                copy_file(source, target)
            self._require_whole(target, sha256)
        except BaseException:
            target.unlink(missing_ok=True)
            raise

    def verified(self, sha256: str) -> Path:
        """Where a kept content is, to be read there and not changed.

        Raises:
            CoupangAssetsError: it is not kept, or is not what was put in.
        """
        path = self._require(sha256)
        self._require_whole(path, sha256)
        return path

    def _require(self, sha256: str) -> Path:
        path = self.path(sha256)
        if not self.holds(sha256):
            raise CoupangAssetsError(
                f"the content {sha256[:12]} is no longer kept: {path} is not there",
                "choose a version that `coupang-assets history` shows as kept, or materialize the dataset again",
            )
        return path

    def _require_whole(self, path: Path, sha256: str) -> None:
        if sha256_file(path) != sha256:
            raise CoupangAssetsError(
                f"{self.path(sha256)} is damaged: it is not what was kept under this name",
                "remove that file and choose another version, or materialize the dataset again",
            )

    def remove(self, sha256: str) -> None:
        self.path(sha256).unlink(missing_ok=True)

    def freed_by_removing(self, sha256: str) -> int:
        """Bytes of disk that go free with a content: none while a dataset's file shares them."""
        if not self.holds(sha256):
            return 0
        stat = self.path(sha256).stat()
        return stat.st_size if stat.st_nlink == 1 else 0

    def __iter__(self) -> Iterator[str]:
        """Hashes of everything that is kept, sorted."""
        return iter(sorted(path.name for path in self._objects.glob("[0-9a-f][0-9a-f]/[!.]*")))

    @contextmanager
    def adding(self) -> Iterator[None]:
        """While contents are put in that no log names yet, so that :meth:`removing` waits; any number at a time."""
        with self._locked(fcntl.LOCK_SH):
            yield

    @contextmanager
    def removing(self) -> Iterator[None]:
        """Alone: nobody is between putting a content in and writing the log that names it."""
        with self._locked(fcntl.LOCK_EX):
            for abandoned in self._objects.glob("??/.*.tmp"):
                abandoned.unlink()
            yield

    @contextmanager
    def _locked(self, how: int) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._folder / ".lock", os.O_CREAT | os.O_RDWR, 0o644)
        try:
            fcntl.flock(descriptor, how)
            yield
        finally:
            os.close(descriptor)
