"""``coupang-assets taxonomy``: look at a month's proposals for its categories, and accept some."""

from collections.abc import Sequence

import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from coupang_assets.assets.sources import ACCEPTED, observation
from coupang_assets.commands.instance import open_instance
from coupang_assets.datasets import ACCEPTED_MERGES, CATEGORY_MERGE, COUPANG_CATE_ALL, NEW_UNIQUE, TAXONOMY_PROPOSALS
from coupang_assets.errors import CoupangAssetsError
from coupang_assets.months import work_month
from coupang_assets.pipeline.accepted_merges import KEEP, MERGE, Accepted, apply_accepted
from coupang_assets.pipeline.codes import canonical_code
from coupang_assets.pipeline.refinement import merge_categories
from coupang_assets.settings import Settings
from coupang_assets.storage.accepted_merges import accept, accepted_up_to, accepted_version, adopt_marks, proposals_of
from coupang_assets.storage.csv_tables import read_frame
from coupang_assets.storage.layout import Layout
from coupang_assets.storage.locate import locate


def show_proposals(settings: Settings, month: str, everything: bool, console: Console) -> None:
    """Print what is proposed for a month's categories, and what has been accepted.

    Args:
        everything: the categories that are proposed to be kept, too.

    Raises:
        CoupangAssetsError: the month does not hold, or has no proposals.
    """
    layout, key = Layout(settings), work_month(month, settings.first_month)
    table = _proposals(layout, key)
    shown = table if everything else table[table["proposal"] != KEEP]
    counts = table["proposal"].value_counts()
    found = ", ".join(f"{int(counts.get(name, 0))} to {name}" for name in ("merge", "drop", "keep"))
    console.print(f"{len(table)} categories of {key}: {found}")
    if len(shown):
        console.print(_proposals_table(shown, {one.code for one in accepted_up_to(layout, key)}))
    console.print(f"Evidence: {locate(layout, TAXONOMY_PROPOSALS, key).paths[0]}", soft_wrap=True)


def accept_proposals(settings: Settings, month: str, codes: Sequence[str], console: Console) -> None:
    """Accept the proposals of some codes, or those marked accepted=yes in the file.

    Raises:
        CoupangAssetsError: a code has no proposal, nothing is marked, or the merges would go round in a circle.
    """
    layout, key = Layout(settings), work_month(month, settings.first_month)
    chosen, accepted_by = _chosen(_proposals(layout, key), codes)
    new = [
        Accepted(row["code"], row["into"] if row["proposal"] == MERGE else None, key)
        for row in chosen.to_dict("records")
    ]
    fresh = {one.code for one in new}
    kept = [one for one in accepted_up_to(layout, key) if one.code not in fresh]
    apply_accepted(_merge_by_rules(layout, key), [*kept, *new], key)
    path = accept(layout, key, chosen, accepted_by)
    if not codes:
        adopt_marks(layout, key)
    _report_versions(settings, layout, key)
    console.print(f"{len(new)} accepted, recorded in {path}", soft_wrap=True)
    console.print(
        f"{CATEGORY_MERGE.name} of {key} is stale now, and so are later months. Apply it with: "
        f"coupang-assets refresh {key}"
    )


def _proposals(layout: Layout, month: str) -> pd.DataFrame:
    locate(layout, TAXONOMY_PROPOSALS, month)
    return proposals_of(layout, month)


def _chosen(table: pd.DataFrame, codes: Sequence[str]) -> tuple[pd.DataFrame, str]:
    if not codes:
        chosen = table[table["accepted"].astype(bool) & (table["proposal"] != KEEP)]
        if chosen.empty:
            raise CoupangAssetsError(
                "no proposal to merge or drop is marked accepted=yes",
                f"name the codes to accept, or write yes into {TAXONOMY_PROPOSALS.paths[0]}",
            )
        return chosen, f"coupang-assets taxonomy accept, accepted=yes in {TAXONOMY_PROPOSALS.paths[0]}"
    try:
        wanted = [canonical_code(code) for code in codes]
    except ValueError as error:
        raise CoupangAssetsError(f"no category code: {error}", "give codes as in the file") from None
    chosen = table[table["code"].isin(wanted)]
    unknown = sorted({str(code) for code in wanted} - {str(code) for code in chosen["code"]})
    kept = chosen.loc[chosen["proposal"] == KEEP, "code"].tolist()
    if unknown or kept:
        raise CoupangAssetsError(
            f"there is nothing to accept for {', '.join([*unknown, *kept])}",
            "coupang-assets taxonomy show lists what is proposed; another change is a row of "
            f"{ACCEPTED_MERGES.paths[0]} (code, merge or drop, into)",
        )
    return chosen, "coupang-assets taxonomy accept"


def _merge_by_rules(layout: Layout, month: str) -> pd.DataFrame:
    tables = [
        read_frame(dataset, locate(layout, dataset, month).paths[0]) for dataset in (COUPANG_CATE_ALL, NEW_UNIQUE)
    ]
    return merge_categories(*tables)


def _report_versions(settings: Settings, layout: Layout, month: str) -> None:
    """Tell Dagster that this and later months have something else accepted, so that it shows them as stale."""
    instance = open_instance(settings)
    for later in layout.months_with_dictionary():
        if later >= month:
            version = accepted_version(accepted_up_to(layout, later))
            instance.report_runless_asset_event(observation(ACCEPTED, later, version))


def _proposals_table(rows: pd.DataFrame, accepted: set[str]) -> Table:
    table = Table()
    for name in ("code", "category", "proposal", "into", "reason", "evidence", "accepted"):
        table.add_column(name, overflow="fold")
    for row in rows.to_dict("records"):
        table.add_row(
            row["code"],
            Text(row["path"] or ""),
            row["proposal"],
            Text(f"{row['into']} {row['into_path']}" if row["into"] else ""),
            row["reason"],
            f"{row['trained']} trained, {row['tested']} tested, {row['confused_titles']} confused",
            "yes" if row["code"] in accepted else "",
        )
    return table
