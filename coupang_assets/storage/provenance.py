"""From a version of a dataset to the exact versions of everything it came from, through all months.

Belongs here: following the recorded inputs. Does not: showing them (``commands.provenance``).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from coupang_assets.datasets import DATASETS
from coupang_assets.storage.history import History
from coupang_assets.storage.manifest import Manifest


@dataclass(frozen=True, order=True)
class Source:
    """One version of a dataset of a month, or of something outside (the Hive table of events)."""

    name: str
    month: str
    data_version: str

    @classmethod
    def of(cls, manifest: Manifest) -> "Source":
        return cls(manifest.dataset, manifest.month, manifest.data_version)

    def __str__(self) -> str:
        return f"{self.name}@{self.month} {self.data_version[:12]}"


@dataclass(frozen=True)
class Provenance:
    """What a version came from.

    Attributes:
        root: the version itself.
        records: every version on the way, by what it is; None for what is outside, or is in no log.
    """

    root: Source
    records: dict[Source, Manifest | None] = field(default_factory=dict)

    def inputs(self, source: Source) -> list[Source] | None:
        """What a version was made from, in order; None where nobody knows."""
        record = self.records[source]
        if record is None or record.inputs is None:
            return None
        named = ((key.rpartition("@"), version) for key, version in sorted(record.inputs.items()))
        return [Source(name, month, version) for (name, _, month), version in named]

    def as_json(self) -> dict[str, Any]:
        """For machines: the root and, by ``dataset@month#version``, every version with files, code and settings."""
        return {"root": _key(self.root), "versions": {_key(source): self._entry(source) for source in self.records}}

    def _entry(self, source: Source) -> dict[str, Any]:
        record = self.records[source]
        if record is None:
            return {"unknown": True} if source.name in DATASETS else {"outside": True}
        inputs = self.inputs(source)
        return {
            "created": record.created,
            "origin": record.origin,
            "run": record.run_id,
            "code_version": record.code_version,
            "settings": record.settings,
            "libraries": record.libraries,
            "base_month": record.base_month,
            "location": record.location,
            "files": [one.model_dump(include={"path", "bytes", "sha256", "rows"}) for one in record.files],
            "inputs": None if inputs is None else [_key(one) for one in inputs],
        }


def trace(history: History, manifest: Manifest, month: str | None = None) -> Provenance:
    """Follow the inputs of a version to the sources; each version once, however many months it takes.

    Args:
        month: versions of other months are named and not followed; None: all are.

    Raises:
        CoupangAssetsError: a log is damaged.
    """
    return trace_all(history, [manifest], month)[0]


def trace_all(history: History, manifests: list[Manifest], month: str | None = None) -> list[Provenance]:
    """:func:`trace` of several, each log being read once."""
    logs: dict[tuple[str, str], dict[str, Manifest]] = {}

    def record_of(source: Source) -> Manifest | None:
        if source.name not in DATASETS:
            return None
        place = (source.month, source.name)
        if place not in logs:
            logs[place] = {v.manifest.data_version: v.manifest for v in history.versions(*place)}
        return logs[place].get(source.data_version)

    def one(manifest: Manifest) -> Provenance:
        found = Provenance(Source.of(manifest), {Source.of(manifest): manifest})
        waiting = [found.root]
        while waiting:
            for source in found.inputs(waiting.pop()) or ():
                if source not in found.records:
                    found.records[source] = record_of(source)
                    if month in (None, source.month):
                        waiting.append(source)
        return found

    return [one(manifest) for manifest in manifests]


def tree_lines(found: Provenance) -> Iterator[tuple[int, Source, bool]]:
    """Depth, version and whether it was shown before, in the order of a tree; a version's own inputs are shown once."""
    shown: set[Source] = set()
    waiting = [(0, found.root)]
    while waiting:
        depth, source = waiting.pop()
        again = source in shown
        yield depth, source, again
        if not again:
            shown.add(source)
            waiting.extend((depth + 1, one) for one in reversed(found.inputs(source) or ()))


def _key(source: Source) -> str:
    return f"{source.name}@{source.month}#{source.data_version}"
