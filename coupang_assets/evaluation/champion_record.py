"""Who was champion, when and why: an append-only file of JSON lines, one line a decision.

Belongs here: the form of a line, appending it so that it lasts, reading it back. Does not: the decision (`champion`).
The last line of a month is what holds for it. A last line without its end is the trace of a killed run: it is no
decision, a reader is told of it, and it stays in the file, closed off, when the next one is appended.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from filelock import FileLock

from coupang_assets.errors import CoupangAssetsError
from coupang_assets.evaluation.champion import Comparison, Decision
from coupang_assets.files import fsync_path

CHAMPIONS_FILE = "champions.jsonl"
# Ends a line that a killed run left unfinished; no line of JSON ends so.
_TORN = b"\x18\n"
_DIGITS = 6


@dataclass(frozen=True)
class ChampionEntry:
    """One line of the record.

    Attributes:
        month: work month.
        champion: name of the classifier, None for none.
        previous: the champion before.
        outcome: an `Outcome`.
        reason: why, for people.
        candidates: of each its figures, unmet requirements and paired test.
        requirements: what was demanded.
        held_out: hash of the titles they were judged on.
        timings: of each candidate training_seconds and titles_per_second, which differ from run to run.
        time: UTC, ISO 8601.
        run_id: Dagster's.
    """

    month: str
    champion: str | None
    previous: str | None
    outcome: str
    reason: str
    candidates: list[dict[str, Any]]
    requirements: dict[str, Any]
    held_out: str
    timings: dict[str, dict[str, float | None]]
    time: str
    run_id: str

    @classmethod
    def of(cls, month: str, decision: Decision, requirements: Mapping[str, Any], run_id: str) -> Self:
        """The entry of a decision made now."""
        return cls(
            month=month,
            champion=decision.champion,
            previous=decision.previous,
            outcome=decision.outcome.value,
            reason=decision.reason,
            candidates=[_candidate(comparison, decision.against) for comparison in decision.comparisons],
            requirements=dict(requirements),
            held_out=decision.comparisons[0].candidate.held_out,
            timings={
                comparison.name: {
                    "training_seconds": comparison.candidate.training_seconds,
                    "titles_per_second": comparison.candidate.titles_per_second,
                }
                for comparison in decision.comparisons
            },
            time=datetime.now(UTC).isoformat(timespec="seconds"),
            run_id=run_id,
        )

    def decided(self) -> dict[str, Any]:
        """What follows from models, titles and requirements: all but the clock's and the run's part."""
        content = asdict(self)
        return {name: content[name] for name in content if name not in ("timings", "time", "run_id")}


@dataclass(frozen=True)
class ChampionRecord:
    """The record as read.

    Attributes:
        entries: in the order they were appended.
        torn: lines that a killed run left unfinished, by number from 1.
    """

    entries: tuple[ChampionEntry, ...]
    torn: tuple[int, ...]

    def of_month(self, month: str) -> ChampionEntry | None:
        """What holds for a month."""
        return next((entry for entry in reversed(self.entries) if entry.month == month), None)

    def before(self, month: str) -> ChampionEntry | None:
        """What holds for the latest month before."""
        earlier = [entry.month for entry in self.entries if entry.month < month]
        return self.of_month(max(earlier)) if earlier else None

    def up_to(self, month: str) -> ChampionEntry | None:
        """What holds for a month, or else for the latest before it."""
        return self.of_month(month) or self.before(month)


def best_classifier(decided: Mapping[str, Any]) -> str:
    """Who judges a month: its champion, or else the most accurate candidate.

    Args:
        decided: `ChampionEntry.decided` of the month.
    """
    best: str = decided["champion"] or decided["candidates"][0]["classifier"]
    return best


def read_champions(path: Path) -> ChampionRecord:
    """The record; an empty one where there is no file.

    Raises:
        CoupangAssetsError: a line is damaged otherwise than by a killed run; names file and line.
    """
    entries, torn = [], []
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    for number, line in enumerate(lines, start=1):
        if not line.endswith(b"\n") or line.endswith(_TORN):
            torn.append(number)
            continue
        try:
            entries.append(ChampionEntry(**json.loads(line)))
        except (ValueError, TypeError) as error:
            raise CoupangAssetsError(
                f"{path}, line {number} is damaged: {error}", "restore the file from a backup, or delete that line"
            ) from None
    return ChampionRecord(tuple(entries), tuple(torn))


def append_champion(path: Path, entry: ChampionEntry) -> bool:
    """Append an entry, unless the month's last one says the same; whether it was.

    The line is on the disk when this returns.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{path.name}.lock")):
        record = read_champions(path)
        last = record.of_month(entry.month)
        if last is not None and last.decided() == json.loads(json.dumps(entry.decided())):
            return False
        line = json.dumps(asdict(entry), ensure_ascii=False, separators=(",", ":")) + "\n"
        with path.open("ab") as file:
            if _ends_torn(path):
                file.write(_TORN)
            file.write(line.encode())
            file.flush()
            os.fsync(file.fileno())
        fsync_path(path.parent)
    return True


def _ends_torn(path: Path) -> bool:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - 1, 0))
        return size > 0 and file.read(1) != b"\n"


def _candidate(comparison: Comparison, against: str | None) -> dict[str, Any]:
    candidate, test = comparison.candidate, comparison.test
    names = ("accuracy", "accuracy_low", "accuracy_high", "level1_accuracy", "macro_f1", "hierarchical_f1")
    figures = {name: candidate.figures[name] for name in (*names, "calibration_error")}
    return {
        "classifier": comparison.name,
        "model_version": candidate.model_version,
        "model_bytes": candidate.model_bytes,
        **{name: None if value is None else round(value, _DIGITS) for name, value in figures.items()},
        "unmet": list(comparison.unmet),
        "against": against if test else None,
        "only_this_right": test.only_first if test else None,
        "only_other_right": test.only_second if test else None,
        "p_value": test and float(f"{test.p_value:.{_DIGITS}g}"),
        "p_holm": None if comparison.p_holm is None else float(f"{comparison.p_holm:.{_DIGITS}g}"),
    }
