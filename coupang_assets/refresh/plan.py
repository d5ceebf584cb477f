"""The plan: which datasets of which months are stale, why, and what may follow from it.

Pure: it compares records with each other and with the graph of now, and reads and runs nothing. Belongs here: that
comparison. Does not: where records come from (``records``), or what is done about it (``loop``).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from coupang_assets.datasets import UPDATED_UNIQUE, Kind
from coupang_assets.refresh.graph import Graph, Node
from coupang_assets.storage.made_from import ANSWERED
from coupang_assets.storage.manifest import Manifest, input_key


class State(StrEnum):
    """What is the matter with a dataset of a month; of several the first counts."""

    MISSING = "missing"
    GONE = "file gone"
    CHANGED = "file changed"
    EDITED = "edited by hand"
    CHECK = "check failed"
    CODE = "code changed"
    SETTINGS = "settings changed"
    SOURCE = "source changed"
    BASE = "base month changed"
    UPSTREAM = "stale"
    WAITING = "waiting"
    FRESH = "fresh"


class Disk(StrEnum):
    """What became of the files since they were recorded."""

    AS_RECORDED = "as recorded"
    CHANGED = "changed"
    GONE = "gone"


@dataclass(frozen=True)
class OnDisk:
    """The files of a dataset now.

    Attributes:
        file: the first that is gone or changed.
    """

    disk: Disk
    file: str = ""


class Records(Protocol):
    """What the plan must know of the months."""

    def months(self) -> Sequence[str]:
        """Months of which anything is recorded, ascending."""
        ...

    def manifest(self, month: str, name: str) -> Manifest | None:
        """The record of a dataset's current version."""
        ...

    def on_disk(self, month: str, name: str) -> OnDisk | None:
        """Its files now; None where there is no record and no file."""
        ...

    def version(self, month: str, name: str) -> str | None:
        """Data version of what is there; the recorded one where that is going to be made again; None: nothing is."""
        ...

    def source_version(self, month: str, source: str) -> str | None:
        """Version of an observed source now; None: it is taken to be what it was."""
        ...

    def latest_base(self, month: str) -> str | None:
        """The latest earlier month that has a dictionary."""
        ...

    def latest_journal(self, month: str) -> str | None:
        """The latest earlier month that has a crawl journal."""
        ...

    def failed_check(self, month: str, name: str, checks: Sequence[str]) -> str | None:
        """Of these checks one that the current version has failed."""
        ...


@dataclass(frozen=True)
class Reason:
    """Why a dataset is not fresh.

    Attributes:
        upstream: ``dataset@month`` or ``source@month`` it comes from; None: from the dataset itself.
    """

    state: State
    text: str
    upstream: str | None = None


@dataclass(frozen=True)
class Status:
    """What the plan says of a dataset of a month.

    Attributes:
        waiting_for: ``dataset@month`` that is going to be made; only if it comes out different, this one follows.
        cause: where it all begins: ``dataset@month``, or a source; None where it begins here or nothing is stale.
    """

    month: str
    name: str
    manifest: Manifest | None
    reasons: tuple[Reason, ...] = ()
    waiting_for: str | None = None
    cause: str | None = None

    @property
    def key(self) -> str:
        return input_key(self.name, self.month)

    @property
    def state(self) -> State:
        if self.reasons:
            return min((reason.state for reason in self.reasons), key=list(State).index)
        return State.WAITING if self.waiting_for else State.FRESH

    @property
    def edited(self) -> bool:
        """A person has corrected the file."""
        return any(reason.state is State.EDITED for reason in self.reasons)

    @property
    def restored(self) -> bool:
        """A person has brought this version back, and it is not what would be made today."""
        kept = {State.CODE, State.SETTINGS, State.SOURCE, State.BASE, State.UPSTREAM}
        origin = self.manifest.origin if self.manifest else ""
        return origin == "restored" and bool(self.reasons) and {reason.state for reason in self.reasons} <= kept

    @property
    def conflict(self) -> bool:
        """A person has corrected the file, and it would have to be made again for other reasons."""
        return self.edited and len(self.reasons) > 1

    @property
    def settled(self) -> bool:
        """Nothing is going to be done about it: it is fresh, or as a person wants it."""
        return not (self.must_run or self.conflict or self.waiting_for)

    @property
    def must_run(self) -> bool:
        """It is made again. A person's correction or restored version is not."""
        return bool(self.reasons) and not self.edited and not self.restored

    @property
    def text(self) -> str:
        """The reasons in words."""
        if self.waiting_for:
            return f"follows if {self.waiting_for} comes out different" if not self.reasons else self._reasons()
        return self._reasons()

    def _reasons(self) -> str:
        kept = ["kept as restored"] if self.restored else []
        return "; ".join([*kept, *(reason.text for reason in self.reasons)])


def plan(graph: Graph, records: Records, months: Sequence[str]) -> dict[str, Status]:
    """Status of every dataset of these months and of all recorded ones, by ``dataset@month``, in the order of making.

    Args:
        months: they are looked at even where nothing of them is recorded.
    """
    found: dict[str, Status] = {}
    for month in sorted({*records.months(), *months}):
        for node in graph.nodes:
            status = assess(graph, records, node, month, found)
            found[status.key] = status
    return found


def assess(graph: Graph, records: Records, node: Node, month: str, others: dict[str, Status]) -> Status:
    """Status of one dataset of a month.

    Args:
        others: statuses of what it is made from, as far as known; what of it is going to be made is waited for.
    """
    manifest = records.manifest(month, node.name)
    reasons = tuple(_reasons(graph, records, node, month, manifest))
    upstream = [key for key in upstream_keys(graph, records, node, month) if key in others]
    waited = next((key for key in upstream if not others[key].settled), None)
    causes = [reason.upstream for reason in reasons if reason.upstream] + ([waited] if waited else [])
    first = next(iter(causes), None)
    beyond = others[first].cause if first in others else None
    return Status(month, node.name, manifest, reasons, waited, beyond or first)


def upstream_keys(graph: Graph, records: Records, node: Node, month: str) -> list[str]:
    """``dataset@month`` of what a dataset is made from, the base month as it would be chosen now."""
    same = [input_key(name, month) for name in node.inputs]
    earlier = [(name, earlier_month(graph, records, name, month)) for name in node.earlier]
    return same + [input_key(name, of) for name, of in earlier if of is not None]


def earlier_month(graph: Graph, records: Records, name: str, month: str) -> str | None:
    """The earlier month that ``name`` is read from for ``month``: its base month, for a journal the latest one."""
    if graph.by_name[name].dataset.kind is Kind.JOURNAL:
        return records.latest_journal(month)
    return requested_base(records, month) or records.latest_base(month)


def requested_base(records: Records, month: str) -> str | None:
    """The base month that a person has named for the month."""
    manifest = records.manifest(month, UPDATED_UNIQUE.name)
    return manifest.base_month if manifest and manifest.base_requested else None


def _reasons(graph: Graph, records: Records, node: Node, month: str, manifest: Manifest | None) -> Iterator[Reason]:
    found = records.on_disk(month, node.name)
    if manifest is None:
        if found is None:
            yield Reason(State.MISSING, "was never made")
        return  # Files without a record were made before us, and are taken as they are.
    if found is None or found.disk is Disk.GONE:
        yield Reason(State.GONE, f"{found.file if found else 'its files'} is gone")
    elif found.disk is Disk.CHANGED:
        yield Reason(State.EDITED if node.dataset.editable else State.CHANGED, f"{found.file} is not what was written")
    if found is not None and found.disk is Disk.AS_RECORDED:
        failed = records.failed_check(month, node.name, node.blocking)
        if failed:
            yield Reason(State.CHECK, f"check {failed} has failed")
    if manifest.code_version is None:  # Made before us: nobody knows how, and nobody wants it made again.
        return
    yield from _made_otherwise(node, manifest)
    if manifest.inputs is not None:
        yield from _read_otherwise(graph, records, node, month, manifest.inputs)


def _made_otherwise(node: Node, manifest: Manifest) -> Iterator[Reason]:
    wanted = node.made_with
    if manifest.code_version != wanted.code_version:
        yield Reason(State.CODE, f"its code was {manifest.code_version} and is {wanted.code_version}")
    for library, version in wanted.libraries.items():
        if manifest.libraries.get(library) != version:
            yield Reason(State.CODE, f"{library} was {manifest.libraries.get(library)} and is {version}")
    for name, value in wanted.settings.items():
        if name not in manifest.settings or manifest.settings[name] != value:
            yield Reason(State.SETTINGS, f"{name} was {manifest.settings.get(name)!r} and is {value!r}")


def _read_otherwise(graph: Graph, records: Records, node: Node, month: str, read: dict[str, str]) -> Iterator[Reason]:
    for source in node.sources:
        key = input_key(source, month)
        if source not in graph.observed:
            if read.get(key, ANSWERED) != ANSWERED:
                yield Reason(State.SOURCE, f"{source} was not asked to the end: {read[key]}", key)
        elif (version := records.source_version(month, source)) is not None and version != read.get(key):
            yield Reason(State.SOURCE, f"{source} has other data", key)
    for name in node.earlier:
        now = earlier_month(graph, records, name, month)
        before = next((key for key in read if key.startswith(f"{name}@") and key != input_key(name, month)), None)
        if now is None and before is not None:
            yield Reason(State.BASE, f"{before} is no base month any more", before)
        elif now is not None and input_key(name, now) != before:
            was = before.partition("@")[2] if before else "none"
            yield Reason(State.BASE, f"base month was {was} and is {now}", input_key(name, now))
        elif now is not None and before is not None:
            yield from _other_version(records, now, name, read[before])
    for name in node.inputs:
        if (version := read.get(input_key(name, month))) is not None:
            yield from _other_version(records, month, name, version)
    for name in node.made_with.if_made:
        key = input_key(name, month)
        now, before = records.version(month, name), read.get(key)
        if now != before:
            what = "is gone" if now is None else "was made" if before is None else "is another version"
            yield Reason(State.UPSTREAM, f"{key} {what}", key)


def _other_version(records: Records, month: str, name: str, read: str) -> Iterator[Reason]:
    version = records.version(month, name)
    if version is not None and version != read:
        yield Reason(State.UPSTREAM, f"{input_key(name, month)} is another version", input_key(name, month))
