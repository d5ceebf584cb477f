"""Where a person's acceptances are kept: ``accepted_merges.csv`` of the month they were made in.

They hold for that month and all later ones. A mark in ``taxonomy_proposals.csv`` counts too, and is taken over before
the file is made again. Belongs here: reading, adding, their version. Does not: what they do (``pipeline``).
"""

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from coupang_assets.datasets import ACCEPTED_MERGES, TAXONOMY_PROPOSALS
from coupang_assets.errors import CoupangAssetsError
from coupang_assets.files import atomic_path
from coupang_assets.months import month_key
from coupang_assets.pipeline.accepted_merges import DROP, KEEP, MERGE, Accepted
from coupang_assets.storage.commit import dataset_lock
from coupang_assets.storage.csv_tables import read_frame, write_frame
from coupang_assets.storage.layout import Layout
from coupang_assets.storage.manifest import read_manifest

YES = "yes"
_MARKS = {"": False, "no": False, YES: True}


def accepted_up_to(layout: Layout, month: str) -> list[Accepted]:
    """What holds for a month, ascending by the month it was accepted in, then by code; marks included.

    Raises:
        CoupangAssetsError: a file or a row of it does not hold.
    """
    holding: dict[str, Accepted] = {}
    for earlier in _months_up_to(layout, month):
        rows = pd.concat([_accepted_rows(layout, earlier), _marked(layout, earlier)])
        for code, proposal, into in rows[["code", "proposal", "into"]].itertuples(index=False):
            holding.pop(code, None)
            if proposal != KEEP:
                holding[code] = Accepted(code, into if proposal == MERGE else None, earlier)
    return sorted(holding.values(), key=lambda one: (one.month, one.code))


def accepted_version(accepted: list[Accepted]) -> str:
    """A hash of what holds."""
    lines = [f"{one.code} {one.into or ''}" for one in accepted]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32]


def proposals_of(layout: Layout, month: str) -> pd.DataFrame:
    """``taxonomy_proposals`` as it lies there, marks and all; empty where there is none.

    Raises:
        CoupangAssetsError: it does not hold its schema, or a mark is neither yes nor no.
    """
    path = layout.folder_on_disk(month) / TAXONOMY_PROPOSALS.paths[0]
    if not path.exists():
        return pd.DataFrame(columns=list(TAXONOMY_PROPOSALS.column_names), dtype=object)
    table = read_frame(TAXONOMY_PROPOSALS, path)
    marks = table["accepted"].fillna("").astype(str).str.strip().str.lower()
    if len(wrong := table[~marks.isin(_MARKS)]):
        code, mark = wrong[["code", "accepted"]].iloc[0]
        raise CoupangAssetsError(f"{path}, code {code}: accepted is {mark!r}", "write yes, no or nothing")
    return table.assign(accepted=marks.map(_MARKS))


def accept(layout: Layout, month: str, rows: pd.DataFrame, accepted_by: str) -> Path:
    """Add proposals to what the month has accepted; of a code that stands there already the new one counts.

    Args:
        rows: code, proposal, into, reason of ``taxonomy_proposals``.
        accepted_by: how a person did it.
    """
    folder = layout.month_folder(month)
    path = folder / ACCEPTED_MERGES.paths[0]
    manifest = read_manifest(layout.folder_on_disk(month), TAXONOMY_PROPOSALS.name)
    new = rows[["code", "proposal", "into", "reason"]].assign(
        accepted_by=accepted_by,
        accepted_at=datetime.now(UTC).isoformat(timespec="seconds"),
        proposals_version=manifest.data_version if manifest else None,
    )
    with dataset_lock(folder, ACCEPTED_MERGES.name), atomic_path(path) as temporary:
        before = _accepted_rows(layout, month)
        kept = before[~before["code"].isin(new["code"])]
        write_frame(ACCEPTED_MERGES, pd.concat([kept, new], ignore_index=True), temporary)
    return path


def adopt_marks(layout: Layout, month: str) -> None:
    """Take the marks of this and earlier months' proposals over, before these are made again.

    The marks are then taken away, and the file is again what was written: nothing a person has changed is left in it.
    """
    for earlier in _months_up_to(layout, month):
        table = proposals_of(layout, earlier)
        if not table["accepted"].any():
            continue
        if len(marked := _marked(layout, earlier)):
            accept(layout, earlier, marked, f"accepted=yes in {TAXONOMY_PROPOSALS.paths[0]}")
        path = layout.folder_on_disk(earlier) / TAXONOMY_PROPOSALS.paths[0]
        with dataset_lock(path.parent, TAXONOMY_PROPOSALS.name), atomic_path(path) as temporary:
            write_frame(TAXONOMY_PROPOSALS, table.assign(accepted=None), temporary)


def _months_up_to(layout: Layout, month: str) -> list[str]:
    names = (ACCEPTED_MERGES.paths[0], TAXONOMY_PROPOSALS.paths[0])
    found = {path.parent.name for name in names for path in (layout.root / "data").glob(f"[0-9]*/{name}")}
    return sorted(key for key in map(month_key, found) if key <= month)


def _accepted_rows(layout: Layout, month: str) -> pd.DataFrame:
    path = layout.folder_on_disk(month) / ACCEPTED_MERGES.paths[0]
    if not path.exists():
        return pd.DataFrame(columns=list(ACCEPTED_MERGES.column_names), dtype=object)
    rows = read_frame(ACCEPTED_MERGES, path)
    wrong = rows[~rows["proposal"].isin([MERGE, DROP, KEEP]) | ((rows["proposal"] == MERGE) & rows["into"].isna())]
    if len(wrong):
        code, proposal, into = wrong[["code", "proposal", "into"]].iloc[0]
        raise CoupangAssetsError(
            f"{path}, code {code}: proposal {proposal!r} into {into}",
            "write merge and a code to merge into, drop, or keep",
        )
    return rows


def _marked(layout: Layout, month: str) -> pd.DataFrame:
    """Marked proposals that are not among what the month has accepted yet."""
    table = proposals_of(layout, month)
    marked = table[table["accepted"].astype(bool) & (table["proposal"] != KEEP)]
    known = _accepted_rows(layout, month)
    as_they_are = marked.merge(known, how="left", on=["code", "proposal"], suffixes=("", "_known"), indicator=True)
    same = (as_they_are["_merge"] == "both") & (as_they_are["into"].fillna("") == as_they_are["into_known"].fillna(""))
    return marked[~same.to_numpy()]
