"""What has changed since an export: found by comparing every row's key and time of change, merged into the old rows.

A watermark on the time of change alone would miss rows whose transaction ended after a later one, and rows that were
deleted. Belongs here: the comparison and the merge, both in the order of keys and in constant memory.
"""

import io
import itertools
import json
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from coupang_assets.errors import CoupangAssetsError
from coupang_assets.products.source_table import SourceTable, Stamp, copy_rows
from coupang_assets.products.table_files import csv_records

if TYPE_CHECKING:
    from coupang_assets.products.connection import Connection

_KEEP, _DROP, _READ = "kdr"
_KEYS_AT_ONCE = 5_000
_STEPS_AT_ONCE = 64 * 1024


@dataclass(frozen=True)
class ChangePlan:
    """How the old rows become the new ones.

    Attributes:
        steps: file of one letter a step: keep the next old row, drop it, or read a new one.
        keys: file of the keys to be read, one JSON value a line, in order.
    """

    steps: Path
    keys: Path
    kept: int
    added: int
    changed: int
    removed: int

    @property
    def to_read(self) -> int:
        return self.added + self.changed

    @property
    def rows(self) -> int:
        return self.kept + self.to_read


def plan_changes(old: Iterator[Stamp], new: Iterator[Stamp], folder: Path) -> ChangePlan:
    """Compare two lists of (key, time of change), both ascending by key.

    A row whose time of change is not known counts as changed.
    """
    steps, keys = folder / "steps.txt", folder / "keys.jsonl"
    kept = added = changed = removed = 0
    with steps.open("w") as steps_file, keys.open("w", encoding="utf-8") as keys_file:
        was = next(old, None)
        for is_now in new:
            while was is not None and _before(was, is_now):
                steps_file.write(_DROP)
                removed += 1
                was = next(old, None)
            if was is None or was[0] != is_now[0]:
                added += 1
            elif was == is_now and is_now[1] is not None:
                steps_file.write(_KEEP)
                kept += 1
                was = next(old, None)
                continue
            else:
                steps_file.write(_DROP)
                changed += 1
                was = next(old, None)
            steps_file.write(_READ)
            keys_file.write(json.dumps(is_now[0]) + "\n")
        removed += sum(1 for _ in itertools.chain([was] if was else [], old))
    return ChangePlan(steps, keys, kept, added, changed, removed)


def merged_records(connection: "Connection", table: SourceTable, plan: ChangePlan, old_csv: Path) -> Iterator[bytes]:
    """The new rows as CSV records: old ones as they are, and those to be read, in the order of the plan.

    Raises:
        CoupangAssetsError: the old rows are not those the plan was made for.
    """
    with old_csv.open("rb") as lines, plan.steps.open() as steps, closing(_read(connection, table, plan.keys)) as new:
        old = csv_records(lines)
        next(old)  # header
        try:
            while part := steps.read(_STEPS_AT_ONCE):
                for step in part:
                    if step == _READ:
                        yield next(new)
                    elif step == _KEEP:
                        yield next(old)
                    else:
                        next(old)
        except StopIteration:
            raise CoupangAssetsError(
                f"{old_csv} has other rows than its Parquet twin", f"delete {old_csv} and export again"
            ) from None


def _read(connection: "Connection", table: SourceTable, keys: Path) -> Generator[bytes]:
    with keys.open(encoding="utf-8") as lines:
        while batch := [json.loads(line) for line in itertools.islice(lines, _KEYS_AT_ONCE)]:
            rows = io.BytesIO()
            with closing(copy_rows(connection, table, batch)) as chunks:
                rows.writelines(chunks)
            rows.seek(0)
            yield from csv_records(rows)


def _before(one: Stamp, other: Stamp) -> bool:
    return one[0] < other[0]  # type: ignore[operator]
