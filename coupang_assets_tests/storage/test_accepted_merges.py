"""Acceptances last for later months, come from commands and from marks, and a damaged file is named."""

from pathlib import Path

import pandas as pd
import pytest

from coupang_assets.datasets import ACCEPTED_MERGES, TAXONOMY_PROPOSALS
from coupang_assets.errors import CoupangAssetsError
from coupang_assets.pipeline.accepted_merges import Accepted
from coupang_assets.storage.accepted_merges import accept, accepted_up_to, accepted_version, adopt_marks, proposals_of
from coupang_assets.storage.csv_tables import read_frame, write_frame
from coupang_assets.storage.layout import Layout


def proposals(*rows: tuple[str, str, str | None, str | None]) -> pd.DataFrame:
    """Code, proposal, into and mark of each row."""
    table = pd.DataFrame(rows, columns=["code", "proposal", "into", "accepted"], dtype=object)
    table = table.assign(reason="confused", trained=1, tested=1, confused_titles=1)
    return table.reindex(columns=list(TAXONOMY_PROPOSALS.column_names))


def write_proposals(layout: Layout, month: str, *rows: tuple[str, str, str | None, str | None]) -> Path:
    path = layout.month_folder(month) / TAXONOMY_PROPOSALS.paths[0]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_frame(TAXONOMY_PROPOSALS, proposals(*rows), path)
    return path


def pairs(accepted: list[Accepted]) -> list[tuple[str, str | None, str]]:
    return [(one.code, one.into, one.month) for one in accepted]


def test_nothing_is_accepted_where_there_is_no_file(layout: Layout) -> None:
    assert accepted_up_to(layout, "2024_05") == []
    adopt_marks(layout, "2024_05")
    assert not layout.root.exists()


def test_what_a_month_accepts_holds_for_it_and_those_after(layout: Layout) -> None:
    accept(layout, "2024_05", proposals(("0002", "merge", "0001", None)), "test")
    accept(layout, "2024_07", proposals(("0003", "drop", None, None)), "test")
    assert accepted_up_to(layout, "2024_04") == []
    assert pairs(accepted_up_to(layout, "2024_06")) == [("0002", "0001", "2024_05")]
    assert pairs(accepted_up_to(layout, "2024_07")) == [("0002", "0001", "2024_05"), ("0003", None, "2024_07")]


def test_a_later_month_changes_its_mind(layout: Layout) -> None:
    accept(layout, "2024_05", proposals(("0002", "merge", "0001", None), ("0003", "drop", None, None)), "test")
    accept(layout, "2024_06", proposals(("0002", "keep", None, None), ("0003", "merge", "0001", None)), "test")
    assert pairs(accepted_up_to(layout, "2024_06")) == [("0003", "0001", "2024_06")]
    assert len(accepted_up_to(layout, "2024_05")) == 2


def test_who_accepted_what_and_when_is_in_the_file(layout: Layout) -> None:
    path = accept(layout, "2024_05", proposals(("0002", "merge", "0001", None)), "a command")
    accept(layout, "2024_05", proposals(("0003", "drop", None, None)), "another command")
    rows = read_frame(ACCEPTED_MERGES, path)
    assert rows["code"].tolist() == ["0002", "0003"]
    assert rows["accepted_by"].tolist() == ["a command", "another command"]
    assert rows["accepted_at"].str.match(r"\d{4}-\d\d-\d\dT").all()
    assert rows["reason"].tolist() == ["confused", "confused"]


def test_marks_count_and_are_taken_over_before_the_proposals_are_made_again(layout: Layout) -> None:
    rows = [("0002", "merge", "0001", " Yes "), ("0003", "drop", None, "no"), ("0004", "keep", None, "yes")]
    path = write_proposals(layout, "2024_05", *rows)
    held = accepted_up_to(layout, "2024_06")
    assert pairs(held) == [("0002", "0001", "2024_05")]
    adopt_marks(layout, "2024_06")
    unmarked = write_proposals(layout, "2024_04", *((*row[:3], None) for row in rows)).read_bytes()
    assert path.read_bytes() == unmarked != b"", "the file is again what was written"
    assert pairs(accepted_up_to(layout, "2024_06")) == pairs(held)
    path.unlink()
    assert accepted_up_to(layout, "2024_06") == held


def test_the_version_is_of_what_holds_not_of_when(layout: Layout) -> None:
    empty = accepted_version([])
    accept(layout, "2024_05", proposals(("0002", "merge", "0001", None)), "one")
    version = accepted_version(accepted_up_to(layout, "2024_05"))
    accept(layout, "2024_05", proposals(("0002", "merge", "0001", None)), "another")
    assert accepted_version(accepted_up_to(layout, "2024_05")) == version != empty
    accept(layout, "2024_05", proposals(("0002", "drop", None, None)), "one")
    assert accepted_version(accepted_up_to(layout, "2024_05")) not in (version, empty)


def test_a_mark_that_is_neither_yes_nor_no_is_named(layout: Layout) -> None:
    write_proposals(layout, "2024_05", ("0002", "merge", "0001", "maybe"))
    with pytest.raises(CoupangAssetsError, match="code 0002: accepted is 'maybe'"):
        proposals_of(layout, "2024_05")


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("0002,merge,,,,,", "code 0002: proposal 'merge' into None"),
        ("0002,rename,0001,,,,", "proposal 'rename'"),
        ("beauty,drop,,,,,", "beauty"),
        ("0002,drop,,,,,\n0002,merge,0001,,,,", "share code"),
    ],
)
def test_a_row_by_hand_that_does_not_hold_is_named(layout: Layout, row: str, problem: str) -> None:
    path = layout.month_folder("2024_05") / ACCEPTED_MERGES.paths[0]
    path.parent.mkdir(parents=True)
    path.write_text(",".join(ACCEPTED_MERGES.column_names) + f"\n{row}\n")
    with pytest.raises(CoupangAssetsError, match=problem):
        accepted_up_to(layout, "2024_06")
