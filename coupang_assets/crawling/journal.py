"""The crawl journal: an append-only file of JSON lines, one line an attempt.

Belongs here: the form of an attempt, writing it so that a killed run loses at most the attempt it was writing, and
reading it back. Does not: what follows from the attempts (`summary.py`), what to ask (`candidates.py`, `spider.py`).

The journal is also the cache: what it says about a product is not asked again (`outcomes.DEFINITIVE`).
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from coupang_assets.crawling.outcomes import Outcome
from coupang_assets.errors import CoupangAssetsError

CategoryKey = tuple[str, str, str, str]
"""category1..category4; the empty string where an event carries no code."""

CATEGORY_COLUMNS: Final = ["category1", "category2", "category3", "category4"]

_JOURNAL_ORDER: Final = ["time", *CATEGORY_COLUMNS, "rank", "product_id"]
_FSYNC_EVERY_S: Final = 1.0
_LOCK_POLL_S: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the shop said about one product, whichever category it was asked for.

    Attributes:
        url: where the answer came from in the end, after redirects; empty when nothing was asked.
        status: HTTP status of the answer; None without one.
        parser: the page's source of `names`, one of `parsers`' constants.
        parsers_version: of the parsers that read the page (`parsers.PARSERS_VERSION`).
        names: top to leaf, home and campaign excluded.
        alternatives: what other sources on the page say where they differ.
        campaign: names dropped in front of `names`.
        content_hash: SHA-256 of the body that decided, in hexadecimal.
        requests: HTTP requests it took, retries and redirects included; 0 when an earlier answer is used again.
        error: why there are no names.
    """

    outcome: Outcome
    url: str = ""
    status: int | None = None
    parser: str | None = None
    parsers_version: int = 1
    names: tuple[str, ...] = ()
    alternatives: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    campaign: tuple[str, ...] = ()
    content_hash: str | None = None
    requests: int = 0
    error: str | None = None

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Read the fields of `to_json`; unknown ones are ignored. Raises KeyError, TypeError or ValueError."""
        known = {f.name: record[f.name] for f in fields(cls) if f.name in record}
        known["outcome"] = Outcome(record["outcome"])
        known["names"] = tuple(record.get("names", ()))
        known["campaign"] = tuple(record.get("campaign", ()))
        known["alternatives"] = {name: tuple(path) for name, path in record.get("alternatives", {}).items()}
        return cls(**known)

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON takes them, what tells attempts apart first."""
        record = asdict(self)
        return {name: record[name] for name in _JOURNAL_ORDER if name in record} | record


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt(Answer):
    """One line of the journal: an answer, and the category and candidate it was asked for.

    Attributes:
        rank: the candidate's place among its category's candidates, smaller first.
        time: when it ended, UTC, ISO 8601 with milliseconds.
        recheck_month: the work month whose re-check this answer was taken over from; None for an ordinary one.
        recheck_began: when that re-check began; earlier answers of the category no longer count.
    """

    category1: str
    category2: str
    category3: str
    category4: str
    product_id: str
    rank: int
    time: str
    recheck_month: str | None = None
    recheck_began: str | None = None

    @classmethod
    def of(cls, category: CategoryKey, product_id: str, rank: int, answer: Answer) -> Self:
        """The attempt that ends now with `answer`."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        category1, category2, category3, category4 = category
        said = {f.name: getattr(answer, f.name) for f in fields(Answer)}
        return cls(
            category1=category1,
            category2=category2,
            category3=category3,
            category4=category4,
            product_id=product_id,
            rank=rank,
            time=now,
            **said,
        )

    @property
    def category(self) -> CategoryKey:
        return (self.category1, self.category2, self.category3, self.category4)


class JournalWriter:
    """The one process that appends to a journal; use as a context manager.

    The lock belongs to the open file, so a child process that inherits the descriptor holds it too: a crawl that
    outlives its parent for a moment still keeps the next one waiting.
    """

    def __init__(self, descriptor: int) -> None:
        """Adopt a descriptor that `open` has locked, possibly in the parent process."""
        self._descriptor = descriptor
        self._synced_at = time.monotonic()

    @classmethod
    def open(cls, path: Path, lock_timeout_s: float = 15.0) -> Self:
        """Open for appending, make it if absent, and cut off a line that a killed run left unfinished.

        Raises:
            CoupangAssetsError: another crawl holds the journal, or the file cannot be written.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise CoupangAssetsError(
                f"crawl journal {path} cannot be written: {error}", "make its folder writable or choose another one"
            ) from error
        try:
            _lock(descriptor, path, lock_timeout_s)
            _cut_torn_line(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        return cls(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def fileno(self) -> int:
        return self._descriptor

    def append(self, attempt: Attempt) -> None:
        """Write one line; it survives the death of this process, and after a second that of the machine.

        Raises:
            OSError: the disk is full or gone.
        """
        line = json.dumps(attempt.to_json(), ensure_ascii=False, separators=(",", ":")) + "\n"
        self._append(line.encode("utf-8", "replace"))

    def absorb(self, journal: Path) -> int:
        """Append the attempts of another journal that this one lacks; the number of them.

        Safe to be cut off: the next time adds the rest.

        Raises:
            CoupangAssetsError: a line of the other one is damaged.
        """
        with os.fdopen(os.dup(self._descriptor), "rb") as own:
            own.seek(0)
            known = {_digest(line) for line in own}
        added = 0
        for line, _ in _whole_lines(journal):
            if (digest := _digest(line)) not in known:
                known.add(digest)
                self._append(line)
                added += 1
        return added

    def _append(self, line: bytes) -> None:
        data = memoryview(line)
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except OSError:
            # The beginning of a line must not stand before a later one that fits again.
            _cut_torn_line(self._descriptor)
            raise
        if time.monotonic() - self._synced_at >= _FSYNC_EVERY_S:
            self._sync()

    def close(self) -> None:
        self._sync()
        os.close(self._descriptor)

    def _sync(self) -> None:
        os.fsync(self._descriptor)
        self._synced_at = time.monotonic()


def _digest(line: bytes) -> bytes:
    return hashlib.blake2b(line, digest_size=16).digest()


def _lock(descriptor: int, path: Path, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise CoupangAssetsError(
                    f"another crawl is writing the journal {path}", "wait until it has ended, or stop it"
                ) from None
            time.sleep(_LOCK_POLL_S)


def _cut_torn_line(descriptor: int) -> None:
    end = size = os.fstat(descriptor).st_size
    while end > 0:
        start = max(0, end - 65_536)
        newline = os.pread(descriptor, end - start, start).rfind(b"\n")
        if newline >= 0:
            end = start + newline + 1
            break
        end = start
    if end < size:
        os.ftruncate(descriptor, end)


def iter_journal(path: Path) -> Iterator[Attempt]:
    """Attempts in the order they ended, one at a time; none when the file is absent.

    A last line without its end is the trace of a killed run and skipped.

    Raises:
        CoupangAssetsError: another line is damaged; names file and line.
    """
    return (attempt for _, attempt in _whole_lines(path))


def _whole_lines(path: Path) -> Iterator[tuple[bytes, Attempt]]:
    try:
        lines = path.open("rb")
    except FileNotFoundError:
        return
    with lines:
        for number, line in enumerate(lines, start=1):
            if not line.endswith(b"\n"):
                return
            try:
                yield line, _attempt(line)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise CoupangAssetsError(
                    f"crawl journal {path}, line {number} is damaged: {type(error).__name__}: {error}",
                    "restore the file, or delete that line: its product is then asked again",
                ) from error


def read_journal(path: Path) -> list[Attempt]:
    """All attempts of a journal; see `iter_journal`."""
    return list(iter_journal(path))


def _attempt(line: bytes) -> Attempt:
    attempt = Attempt.from_json(json.loads(line))
    texts = (*attempt.category, attempt.product_id, *attempt.names)
    if not all(isinstance(text, str) for text in texts) or not isinstance(attempt.rank, int):
        raise ValueError("a code, product or name that is no text, or a rank that is no number")
    return attempt
