"""Which kept versions may go, and what disk that frees.

Belongs here: the rule, and removing. Does not: asking the person (``commands.prune``).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from coupang_assets.datasets import ALL_MODELS, CHAMPION, DATASETS, RT_CATEGORY_INFO
from coupang_assets.storage.commit import pending_manifests
from coupang_assets.storage.history import History
from coupang_assets.storage.manifest import Manifest, read_manifest
from coupang_assets.storage.provenance import trace_all
from coupang_assets.storage.version_log import Version

# What others use: whatever these came from stays.
DELIVERED = (*(model.name for model in ALL_MODELS.values()), CHAMPION.name, RT_CATEGORY_INFO.name)


@dataclass(frozen=True)
class Pruning:
    """What would go.

    Attributes:
        versions: that cannot be brought back afterwards.
        contents: hashes to be removed, with the bytes of disk each frees.
        abandoned: those of them that no version names: a run was killed while it wrote.
    """

    versions: list[Version]
    contents: dict[str, int]
    abandoned: int

    @property
    def bytes_freed(self) -> int:
        return sum(self.contents.values())


def plan_pruning(history: History, keep: int, older_than: timedelta) -> Pruning:
    """What may go: older than ``older_than`` and not among the ``keep`` newest contents of its dataset of a month.

    Never what lies there now, nor anything that the model or the Hive partition that lies there now came from,
    through all months; nor a content that a version that stays has too.

    Raises:
        CoupangAssetsError: a log or manifest is damaged: what it protects cannot be known.
    """
    before = (datetime.now(UTC) - older_than).isoformat(timespec="seconds")
    protected = {(m.month, m.dataset, m.data_version) for m in _protected(history)}
    going: list[Version] = []
    staying: set[str] = {record.sha256 for manifest in _in_place(history) for record in manifest.files}
    named: set[str] = set()
    for month, dataset in history.logged():
        versions = history.versions(month, dataset)
        newest = list(dict.fromkeys(v.manifest.data_version for v in reversed(versions)))[:keep]
        for version in versions:
            manifest = version.manifest
            hashes = {record.sha256 for record in manifest.files}
            named |= hashes
            recent = manifest.created is not None and manifest.created > before
            if manifest.data_version in newest or recent or (month, dataset, manifest.data_version) in protected:
                staying |= hashes
            elif history.is_kept(manifest):
                going.append(version)
    contents = {
        sha256: history.objects.freed_by_removing(sha256) for sha256 in history.objects if sha256 not in staying
    }
    lost = [v for v in going if any(record.sha256 in contents for record in v.manifest.files)]
    return Pruning(lost, contents, sum(sha256 not in named for sha256 in contents))


def prune(history: History, keep: int, older_than: timedelta) -> Pruning:
    """Remove what :func:`plan_pruning` says, while nobody writes; a kill in between leaves the rest for the next."""
    with history.objects.removing():
        pruning = plan_pruning(history, keep, older_than)
        for sha256 in pruning.contents:
            history.objects.remove(sha256)
    return pruning


def _in_place(history: History) -> Iterator[Manifest]:
    """What lies in the months' folders now, or is about to."""
    for month in history.months_on_disk():
        folder = history.layout.folder_on_disk(month)
        yield from pending_manifests(folder)
        for dataset in DATASETS:
            if (manifest := read_manifest(folder, dataset)) is not None:
                yield manifest


def _protected(history: History) -> Iterator[Manifest]:
    current = list(_in_place(history))
    yield from current
    for found in trace_all(history, [manifest for manifest in current if manifest.dataset in DELIVERED]):
        yield from (record for record in found.records.values() if record is not None)
