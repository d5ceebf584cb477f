"""The folder an engine spills to: of one process, gone when it is.

Belongs here: making it, and removing those that killed processes left. Does not: what is spilled.
"""

import shutil
import tempfile
import weakref
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from filelock import FileLock, Timeout


class SpillFolder:
    """Made on first use below ``parent``; removed by :meth:`remove`, or at the latest when the process ends."""

    def __init__(self, parent: Path, prefix: str) -> None:
        self._parent = parent
        self._prefix = prefix

    @cached_property
    def path(self) -> Path:
        self._parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self._parent / ".lock"):
            self._remove_abandoned()
            folder = Path(tempfile.mkdtemp(prefix=f"{self._prefix}-", dir=self._parent))
            self._in_use = FileLock(folder / ".lock")
            self._in_use.acquire()
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return folder

    def remove(self) -> None:
        """Remove it; the next use makes another."""
        if "path" in self.__dict__:
            shutil.rmtree(self.path, ignore_errors=True)
            del self.__dict__["path"]

    def _remove_abandoned(self) -> None:
        """Folders of processes that were killed: nobody holds their lock."""
        for folder in self._parent.glob(f"{self._prefix}-*"):
            with suppress(Timeout), FileLock(folder / ".lock", timeout=0):
                shutil.rmtree(folder, ignore_errors=True)
