"""Spec 002, `카테고리 통합, 제외`: what a person has accepted to merge or drop, applied to ``category_merge``.

Belongs here: what an acceptance means for the month's codes. Does not: where acceptances are kept (``storage``), what
is proposed (``evaluation``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from coupang_assets.errors import CoupangAssetsError

ACCEPTED_MERGE = "accepted_merge"
ACCEPTED_DROP = "accepted_drop"
MERGE, DROP, KEEP = "merge", "drop", "keep"


@dataclass(frozen=True)
class Accepted:
    """An acceptance: ``code`` becomes ``into``, or null where that is None.

    Attributes:
        month: the work month it was accepted in.
    """

    code: str
    into: str | None
    month: str


def apply_accepted(
    merge: pd.DataFrame, accepted: Sequence[Accepted], month: str
) -> tuple[pd.DataFrame, list[Accepted]]:
    """``category_merge`` with what was accepted.

    An acceptance is about a category, and so about every code that goes to it this month. Of two about one category
    the later counts. Merges may follow each other; rows and counts stay as they are.

    Args:
        merge: ``category_merge`` by the rules alone.
        accepted: ascending by month.
        month: the work month. An earlier month's acceptance of codes that this one does not have is passed over.

    Returns:
        The table, and the acceptances that were passed over.

    Raises:
        CoupangAssetsError: this month's acceptance names a code that is not there or has become null, or merges go
            round in a circle.
    """
    known = merge[merge["category4"].notna()]
    targets = (None if pd.isna(target) else str(target) for target in known["merged_category4"])
    survivor = dict(zip(known["category4"], targets, strict=True))
    becomes: dict[str, str | None] = {}
    passed_over = []
    for one in accepted:
        if (problem := _problem(one, survivor)) is not None:
            if one.month == month:
                raise CoupangAssetsError(
                    f"accepted_merges.csv of {month}: {problem}", "correct or delete the row of that code"
                )
            passed_over.append(one)
            continue
        source, target = survivor[one.code], None if one.into is None else survivor[one.into]
        if source is not None and source != target:
            becomes[source] = target
    ends = {source: _end(source, becomes) for source in becomes}
    changed = merge["merged_category4"].isin(ends)
    target_of = merge.loc[changed, "merged_category4"].map(ends)
    applied = merge.copy()
    applied.loc[changed, "merged_category4"] = [None if pd.isna(target) else target for target in target_of]
    applied.loc[changed, "reason"] = target_of.notna().map({True: ACCEPTED_MERGE, False: ACCEPTED_DROP})
    return applied, passed_over


def _problem(one: Accepted, survivor: Mapping[str, str | None]) -> str | None:
    for code in (one.code, one.into):
        if code is not None and code not in survivor:
            return f"the month has no category {code}"
    if one.into is not None and survivor[one.into] is None:
        return f"{one.into} is no category that stays: its codes become null"
    return None


def _end(source: str, becomes: Mapping[str, str | None]) -> str | None:
    way = [source]
    while (following := becomes.get(way[-1], way[-1])) != way[-1]:
        if following is None:
            return None
        if following in way:
            circle = " into ".join([*way[way.index(following) :], following])
            raise CoupangAssetsError(
                f"accepted merges go round in a circle: {circle}",
                "delete one of them from the accepted_merges.csv it stands in",
            )
        way.append(following)
    return way[-1]
