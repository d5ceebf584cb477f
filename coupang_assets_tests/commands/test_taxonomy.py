"""A person looks at proposals and accepts some; what cannot be is refused before anything is written."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pytest
from rich.console import Console

from coupang_assets.assets.sources import ACCEPTED
from coupang_assets.commands.taxonomy import accept_proposals, show_proposals
from coupang_assets.datasets import ACCEPTED_MERGES, COUPANG_CATE_ALL, NEW_UNIQUE, TAXONOMY_PROPOSALS
from coupang_assets.errors import CoupangAssetsError
from coupang_assets.settings import Settings
from coupang_assets.storage.accepted_merges import accepted_up_to
from coupang_assets.storage.csv_tables import read_frame, write_frame
from coupang_assets.storage.layout import Layout

MONTH = "2024_05"
CODES = ["1001", "1002", "1003", "1004"]
NAMES = ["부사", "홍로", "아오리", "감홍"]


@pytest.fixture
def month(layout: Layout, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A month with four categories and proposals for them."""
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    folder = layout.month_folder(MONTH)
    folder.mkdir(parents=True)
    rows = pd.DataFrame(
        {"product_id": "7", "ep_title": "사과", "category4": CODES, "count": 9}
        | {f"category{level}": f"000{level}" for level in (1, 2, 3)}
        | {f"cate{level}_name": f"이름 {level}" for level in (1, 2, 3)}
        | {"cate4_name": NAMES, "cate5_name": None}
    )
    write_frame(COUPANG_CATE_ALL, rows[list(COUPANG_CATE_ALL.column_names)], folder / COUPANG_CATE_ALL.paths[0])
    write_frame(NEW_UNIQUE, rows[list(NEW_UNIQUE.column_names)], folder / NEW_UNIQUE.paths[0])
    propose(folder, ("1001", "keep", None), ("1002", "merge", "1001"), ("1003", "drop", None), ("1004", "keep", None))
    return folder


def propose(folder: Path, *rows: tuple[str, str, str | None], marked: tuple[str, ...] = ()) -> None:
    path = folder / TAXONOMY_PROPOSALS.paths[0]
    table = pd.DataFrame(rows, columns=["code", "proposal", "into"], dtype=object)
    table = table.assign(reason="confused", trained=5, tested=3, confused_titles=2, path="사과 > " + table["code"])
    table["accepted"] = ["yes" if code in marked else None for code in table["code"]]
    write_frame(TAXONOMY_PROPOSALS, table.reindex(columns=list(TAXONOMY_PROPOSALS.column_names)), path)


def said(command: Callable[..., None], *arguments: Any) -> str:
    console = Console(file=io.StringIO(), width=200)
    command(*arguments, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def accepted(layout: Layout) -> list[tuple[str, str | None]]:
    return [(one.code, one.into) for one in accepted_up_to(layout, MONTH)]


def test_proposals_are_shown_with_their_evidence(month: Path, settings: Settings) -> None:
    text = said(show_proposals, settings, MONTH, False)
    assert "4 categories of 2024_05: 1 to merge, 1 to drop, 2 to keep" in text
    assert "1002" in text and "5 trained, 3 tested, 2 confused" in text and "1004" not in text
    assert "1004" in said(show_proposals, settings, MONTH, True)


def test_accepting_some_codes_is_recorded_and_shown(month: Path, settings: Settings, layout: Layout) -> None:
    text = said(accept_proposals, settings, MONTH, ["1002"])
    assert "coupang-assets refresh 2024_05" in text
    assert accepted(layout) == [("1002", "1001")]
    (row,) = read_frame(ACCEPTED_MERGES, month / ACCEPTED_MERGES.paths[0]).to_dict("records")
    assert (row["accepted_by"], row["reason"]) == ("coupang-assets taxonomy accept", "confused")
    assert said(show_proposals, settings, MONTH, False).count("yes") == 1


def test_accepting_what_is_marked_in_the_file(month: Path, settings: Settings, layout: Layout) -> None:
    propose(month, ("1001", "keep", None), ("1002", "merge", "1001"), ("1003", "drop", None), marked=("1003", "1001"))
    said(accept_proposals, settings, MONTH, [])
    assert accepted(layout) == [("1003", None)]
    assert (month / ACCEPTED_MERGES.paths[0]).exists()


def test_dagster_is_told_that_something_else_is_accepted(month: Path, settings: Settings) -> None:
    said(accept_proposals, settings, MONTH, ["1002"])
    with dg.DagsterInstance.get() as instance:
        (first,) = instance.fetch_observations(ACCEPTED, limit=5).records
        said(accept_proposals, settings, MONTH, ["1003"])
        second, again = instance.fetch_observations(ACCEPTED, limit=5).records
    assert again.event_log_entry == first.event_log_entry and first.partition_key == MONTH
    versions = [record.asset_observation.tags["dagster/data_version"] for record in (first, second)]  # type: ignore[union-attr]
    assert versions[0] != versions[1]


@pytest.mark.parametrize(
    ("codes", "problem"),
    [
        (["9999"], "nothing to accept for 9999"),
        (["1001", "1002"], "nothing to accept for 1001"),
        (["사과"], "사과"),
        ([], "no proposal to merge or drop is marked"),
    ],
)
def test_what_is_not_proposed_is_refused(
    month: Path, settings: Settings, layout: Layout, codes: list[str], problem: str
) -> None:
    with pytest.raises(CoupangAssetsError, match=problem):
        said(accept_proposals, settings, MONTH, codes)
    assert accepted(layout) == [] and not (month / ACCEPTED_MERGES.paths[0]).exists()


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([("1001", "merge", "1002"), ("1002", "merge", "1001")], "round in a circle: 1001 into 1002 into 1001"),
        ([("1001", "merge", "9999"), ("1002", "merge", "1001")], "the month has no category 9999"),
    ],
    ids=["circle", "unknown code"],
)
def test_a_file_changed_by_hand_into_what_cannot_be_is_refused(
    month: Path, settings: Settings, layout: Layout, rows: list[tuple[str, str, str | None]], problem: str
) -> None:
    propose(month, *rows)
    with pytest.raises(CoupangAssetsError, match=problem):
        said(accept_proposals, settings, MONTH, ["1001", "1002"])
    assert accepted(layout) == []


def test_a_circle_with_what_was_accepted_before_is_refused(month: Path, settings: Settings, layout: Layout) -> None:
    said(accept_proposals, settings, MONTH, ["1002"])
    propose(month, ("1001", "merge", "1002"))
    with pytest.raises(CoupangAssetsError, match="round in a circle"):
        said(accept_proposals, settings, MONTH, ["1001"])
    assert accepted(layout) == [("1002", "1001")]


def test_a_month_without_proposals_says_so(settings: Settings) -> None:
    with pytest.raises(CoupangAssetsError, match="taxonomy_proposals of 2024_05 is not there"):
        said(show_proposals, settings, MONTH, False)
