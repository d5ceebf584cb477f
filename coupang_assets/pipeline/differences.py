"""What differs between two versions of a table: rows, and categories of the dictionaries.

Belongs here: comparing tables that are given. Does not: which versions, and where they are kept (``storage``).
"""

from collections.abc import Mapping, Sequence

import ibis
import ibis.expr.types as ir
import pandas as pd

ADDED, REMOVED, CHANGED = "added", "removed", "changed"
RENAMED, MERGED_OTHERWISE = "renamed", "merged otherwise"

# Two missing values are equal here, as they are nowhere in SQL; no value of ours is this character.
_NULL = "\x1f"


def row_differences(before: ir.Table, after: ir.Table, key: Sequence[str]) -> ir.Table:
    """One row a row that differs.

    Args:
        before: a table.
        after: a table with the same columns.
        key: columns that no two rows of a table share, missing values being equal; empty: rows have no identity, and
            equal rows are counted.

    Returns:
        change (added, removed or changed) and ``rows`` it stands for; for each column its values ``<column>_before``
        and ``<column>_after``, null on the side that has no such row.
    """
    columns = list(before.columns)
    identity = list(key) or columns
    sides = [_side(table.select(columns), identity, counted=not key) for table in (before, after)]
    joined = sides[0].outer_join(
        sides[1], [f"key_{n}" for n in range(len(identity))], lname="{name}_before", rname="{name}_after"
    )
    there = {side: joined[f"occurrences_{side}"].fill_null(0) for side in ("before", "after")}
    differing = ibis.or_(*(~joined[f"{name}_before"].identical_to(joined[f"{name}_after"]) for name in columns))
    change = ibis.cases(
        (there["after"] > there["before"], ADDED), (there["after"] < there["before"], REMOVED), (differing, CHANGED)
    )
    rows = (there["after"] - there["before"]).abs()
    result = joined.select(
        *(joined[f"{name}_{side}"] for name in columns for side in ("before", "after")),
        change=change,
        rows=ibis.ifelse(rows == 0, 1, rows),
    )
    return result.filter(result.change.notnull())


def difference_counts(differences: ir.Table) -> dict[str, int]:
    """Rows added, removed and changed, of :func:`row_differences`."""
    counted = differences.group_by("change").aggregate(rows=differences["rows"].sum()).execute()
    found = dict(zip(counted["change"], counted["rows"], strict=True))
    return {change: int(found.get(change, 0)) for change in (ADDED, REMOVED, CHANGED)}


def category_differences(
    before: pd.DataFrame, after: pd.DataFrame, codes: Sequence[str], names: Sequence[str]
) -> pd.DataFrame:
    """Categories that one of two dictionaries lacks, and those with other names.

    Args:
        before: one row a category.
        after: one row a category.
        codes: columns that are the category.
        names: columns of its names, the top first.

    Returns:
        category (its codes, ``-`` where one is missing), difference (added, removed or renamed), before and after
        (the path of names); ordered by category.
    """
    paths = [_paths(frame, codes, names) for frame in (before, after)]
    return _compared(paths[0], paths[1], RENAMED)


def merge_differences(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """Categories that two ``category_merge`` send elsewhere.

    Returns:
        The columns of :func:`category_differences`; before and after are the code a category4 became and the reason.
    """
    goals = [
        {
            str(row["category4"]): f"{row['merged_category4'] if isinstance(row['merged_category4'], str) else '-'}"
            f" ({row['reason']})"
            for row in frame[frame["category4"].notna()].to_dict("records")
        }
        for frame in (before, after)
    ]
    both = goals[0].keys() & goals[1].keys()
    targets = [{code: goal[code] for code in both} for goal in goals]
    moved = _compared(targets[0], targets[1], MERGED_OTHERWISE)
    # Another reason for the same goal is no other merge.
    same = moved["before"].str.split(" ").str[0] == moved["after"].str.split(" ").str[0]
    return moved[~same].reset_index(drop=True)


def _side(table: ir.Table, identity: Sequence[str], counted: bool) -> ir.Table:
    if counted:
        table = table.group_by(identity).aggregate(occurrences=table.count())
    else:
        table = table.mutate(occurrences=ibis.literal(1, "int64"))
    return table.mutate(**{f"key_{n}": table[name].cast("string").fill_null(_NULL) for n, name in enumerate(identity)})


def _paths(frame: pd.DataFrame, codes: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    return {
        " ".join(_text(row[code]) or "-" for code in codes): " > ".join(
            filter(None, (_text(row[name]) for name in names))
        )
        for row in frame[[*codes, *names]].to_dict("records")
    }


def _compared(before: Mapping[str, str], after: Mapping[str, str], otherwise: str) -> pd.DataFrame:
    rows = [
        (
            key,
            REMOVED if key not in after else ADDED if key not in before else otherwise,
            before.get(key),
            after.get(key),
        )
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
    ]
    return pd.DataFrame(rows, columns=["category", "difference", "before", "after"], dtype=object)


def _text(value: object) -> str:
    return "" if pd.isna(value) else str(value)  # type: ignore[call-overload]
