"""Every version a dataset has had: its contents, kept once by their hash, and the log that names them.

Belongs here: what is kept, where a version's log is, and which versions there are. Does not: the order of a commit
(``commit``), bringing a version back (``restore``), giving disk free (``prune``).
"""

import errno
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from coupang_assets.datasets import DATASETS
from coupang_assets.errors import CoupangAssetsError
from coupang_assets.months import month_key
from coupang_assets.storage import version_log
from coupang_assets.storage.layout import Layout
from coupang_assets.storage.manifest import FileRecord, Manifest
from coupang_assets.storage.objects import ObjectStore
from coupang_assets.storage.version_log import Version

# Where one file cannot be a second name of another: two file systems, one without such names, too many of them.
_CANNOT_LINK = {errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK}


@dataclass(frozen=True)
class History:
    """See the module.

    Attributes:
        layout: where the months are.
    """

    layout: Layout

    @property
    def keep_large(self) -> int:
        """Versions of a large dataset of a month whose files are kept."""
        return self.layout.settings.history.keep_large

    @property
    def folder(self) -> Path:
        return self.layout.root / "versions"

    @property
    def objects(self) -> ObjectStore:
        return ObjectStore(self.folder)

    def log_path(self, month: str, dataset: str) -> Path:
        return self.folder / "log" / month / f"{dataset}.jsonl"

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder for a file that is to be kept, on the disk that keeps it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".scratch-", dir=self.folder) as folder:
            yield Path(folder)

    def adding(self) -> AbstractContextManager[None]:
        """Around keeping contents and logging their version; see ``ObjectStore.adding``."""
        return self.objects.adding()

    def keep(self, manifest: Manifest, file_of: Callable[[FileRecord], Path]) -> None:
        """Keep the contents of a version that is about to be written.

        A large file is kept as a second name of the file itself, which costs no disk until another version replaces
        it; where that cannot be, it is copied only if more than the current version is to be kept.
        """
        large = DATASETS[manifest.dataset].large
        for record in manifest.files:
            try:
                self.objects.put(file_of(record), record.sha256, link=large)
            except OSError as error:
                if not large or error.errno not in _CANNOT_LINK:
                    raise
                if self.keep_large > 1:
                    self.objects.put(file_of(record), record.sha256)

    def versions(self, month: str, dataset: str) -> list[Version]:
        """Versions of a dataset of a month, the oldest first.

        Raises:
            CoupangAssetsError: a line of the log is damaged.
        """
        return list(version_log.read(self.log_path(month, dataset)))

    def made_from(self, month: str, dataset: str, data_version: str) -> Manifest | None:
        """The record of the version with this content, the latest where it was written more than once."""
        found = [v.manifest for v in self.versions(month, dataset) if v.manifest.data_version == data_version]
        return found[-1] if found else None

    def is_kept(self, manifest: Manifest) -> bool:
        """Whether a version of the log can be brought back."""
        return bool(manifest.files) and all(self.objects.holds(record.sha256) for record in manifest.files)

    def logged(self) -> Iterator[tuple[str, str]]:
        """Month and dataset of every log, in order."""
        for path in sorted((self.folder / "log").glob("*/*.jsonl")):
            if path.stem in DATASETS:
                yield path.parent.name, path.stem

    def months_on_disk(self) -> list[str]:
        """Work months that have a folder, ascending."""
        found = set()
        for folder in (self.layout.root / "data").glob("*"):
            try:
                found.add(month_key(folder.name))
            except CoupangAssetsError:
                continue
        return sorted(found)

    def drop_old_large(self, dataset: str) -> None:
        """Give free what ``keep_large`` does not keep of large datasets, once a new version of one is in place."""
        if not DATASETS[dataset].large:
            return
        with self.objects.removing():
            needed, dropped = set(), set()
            for month, name in self.logged():
                if DATASETS[name].large:
                    newest = _newest_first(self.versions(month, name))
                    needed |= {record.sha256 for one in newest[: self.keep_large] for record in one.files}
                    dropped |= {record.sha256 for one in newest[self.keep_large :] for record in one.files}
            for sha256 in dropped - needed:
                self.objects.remove(sha256)


def _newest_first(versions: list[Version]) -> list[Manifest]:
    """One record a content."""
    by_content: dict[str, Manifest] = {}
    for version in reversed(versions):
        by_content.setdefault(version.manifest.data_version, version.manifest)
    return list(by_content.values())
