"""Is the taxonomy learnable? The check that precedes training (spec 002, `현황 파악 뼈대 만들기`).

Belongs here: per category whether there is enough data, which categories are too alike to be told apart, and what is
proposed. Does not: applying what a person has accepted (`pipeline.accepted_merges`).

A proposal always goes from a category with fewer training titles into one with more, so that proposals never form a
circle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from coupang_assets.datasets import TAXONOMY_PROPOSALS
from coupang_assets.evaluation.intervals import wilson_interval
from coupang_assets.pipeline.accepted_merges import DROP, KEEP, MERGE
from coupang_assets.settings import TaxonomySettings

ENOUGH, LITTLE_DATA, CONFUSED, SIMILAR_NAME, INACCURATE = (
    *("enough_data", "little_data", "confused", "similar_name", "inaccurate"),
)  # fmt: skip
_DIGITS = 4
_EVIDENCE = ["confused_titles", "confused_share", "name_overlap"]
# Pairs of names with less in common are of no interest, whatever the settings say.
_LEAST_OVERLAP = 0.25


def proposals(
    predictions: pd.DataFrame,
    trained: Mapping[str, int],
    names: Mapping[str, Sequence[str]],
    demanded: TaxonomySettings,
) -> pd.DataFrame:
    """``taxonomy_proposals`` without a mark: every category of the month's dictionary.

    Args:
        predictions: category4 (the truth) and predicted of each held-out title, by the month's best classifier.
        trained: training titles by code.
        names: path of names by code, top first: the month's dictionary.
    """
    table = _categories(predictions, trained, names)
    pairs = _pairs(predictions, table, names)
    table = table.merge(_nearest(pairs), how="left", on="code")
    table["confused_titles"] = table["confused_titles"].fillna(0).astype("int64")
    table = _proposed(table, _targets(pairs, table, demanded), demanded)
    path = {code: " > ".join(of_code) or code for code, of_code in names.items()}
    shares = ["accuracy", "accuracy_low", "accuracy_high", "confused_share", "name_overlap"]
    table[shares] = table[shares].astype("float64").round(_DIGITS)
    table = table.assign(path=table["code"].map(path), into_path=table["into"].map(path), accepted=None)
    for name in ("into", "into_path", "nearest"):
        table[name] = pd.Series([None if pd.isna(value) else value for value in table[name]], dtype=object)
    columns = list(TAXONOMY_PROPOSALS.column_names)
    return table[columns].sort_values("code", ignore_index=True)


def _categories(
    predictions: pd.DataFrame, trained: Mapping[str, int], names: Mapping[str, Sequence[str]]
) -> pd.DataFrame:
    table = pd.DataFrame({"code": sorted(names)}, dtype=object)
    tested = predictions["category4"].value_counts()
    right = predictions.loc[predictions["category4"] == predictions["predicted"], "category4"].value_counts()
    table["trained"] = table["code"].map(trained).fillna(0).astype("int64")
    table["tested"] = table["code"].map(tested).fillna(0).astype("int64")
    hits = table["code"].map(right).fillna(0).astype("int64")
    low, high = wilson_interval(hits, table["tested"])
    # Of a category without a held-out title nothing is known.
    return table.assign(
        accuracy=hits / table["tested"].where(table["tested"] > 0), accuracy_low=low, accuracy_high=high
    )


def _pairs(predictions: pd.DataFrame, table: pd.DataFrame, names: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Pairs with anything in common, each both ways.

    Returns:
        code, other, confused_titles, confused_share, confused_share_high (of its 95 % interval), name_overlap.
    """
    wrong = predictions[
        (predictions["category4"] != predictions["predicted"])
        & predictions["predicted"].isin(names)
        & predictions["category4"].isin(names)
    ]
    taken = wrong.groupby(["category4", "predicted"]).size().rename("titles").reset_index()
    both_ways = pd.concat(
        [
            taken.set_axis(["code", "other", "confused_titles"], axis=1),
            taken.set_axis(["other", "code", "confused_titles"], axis=1),
        ]
    )
    confused = both_ways.groupby(["code", "other"], as_index=False)["confused_titles"].sum()
    pairs = confused.merge(_name_overlaps(names), how="outer", on=["code", "other"])
    pairs["confused_titles"] = pairs["confused_titles"].fillna(0).astype("int64")
    pairs["name_overlap"] = pairs["name_overlap"].fillna(0.0)
    tested = table.set_index("code")["tested"]
    together = pairs["code"].map(tested) + pairs["other"].map(tested)
    _, at_most = wilson_interval(pairs["confused_titles"], together)
    share = (pairs["confused_titles"] / together.where(together > 0)).fillna(0.0)
    return pairs.assign(confused_share=share, confused_share_high=at_most)


def _name_overlaps(names: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Jaccard overlap of the letter pairs of leaf names under the same top: code, other, name_overlap."""
    by_top: dict[str, list[str]] = {}
    for code in sorted(names):
        by_top.setdefault(names[code][0] if names[code] else code, []).append(code)
    found = [
        _overlaps_of([names[code][-1] if names[code] else code for code in codes], codes) for codes in by_top.values()
    ]
    empty = pd.DataFrame({"code": [], "other": [], "name_overlap": []}).astype({"code": object, "other": object})
    return pd.concat([empty, *found], ignore_index=True)


def _overlaps_of(leaves: Sequence[str], codes: Sequence[str]) -> pd.DataFrame:
    from scipy.sparse import csr_matrix

    letters = ["".join(char for char in leaf.casefold() if char.isalnum()) or leaf for leaf in leaves]
    pairs_of = [sorted({text[i : i + 2] for i in range(max(1, len(text) - 1))}) for text in letters]
    number = {pair: index for index, pair in enumerate(sorted({pair for pairs in pairs_of for pair in pairs}))}
    rows = np.repeat(np.arange(len(codes)), [len(pairs) for pairs in pairs_of])
    columns = np.array([number[pair] for pairs in pairs_of for pair in pairs], np.int64)
    has = csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(codes), len(number)))
    shared = (has @ has.T).tocoo()
    sizes = np.array([len(pairs) for pairs in pairs_of])
    overlap = shared.data / (sizes[shared.row] + sizes[shared.col] - shared.data)
    wanted = (shared.row != shared.col) & (overlap >= _LEAST_OVERLAP)
    labels = np.array(codes, dtype=object)
    return pd.DataFrame(
        {"code": labels[shared.row[wanted]], "other": labels[shared.col[wanted]], "name_overlap": overlap[wanted]}
    )


def _nearest(pairs: pd.DataFrame) -> pd.DataFrame:
    ordered = pairs.sort_values(
        ["code", "confused_share", "name_overlap", "other"], ascending=[True, False, False, True], kind="stable"
    )
    nearest = ordered.drop_duplicates("code").rename(columns={"other": "nearest"})
    return nearest[["code", "nearest", *_EVIDENCE]]


def _targets(pairs: pd.DataFrame, table: pd.DataFrame, demanded: TaxonomySettings) -> pd.DataFrame:
    """What each category would become: code, into, reason; only of pairs that are too alike, into the larger."""
    size = table.set_index("code")["trained"]
    own, others = pairs["code"].map(size), pairs["other"].map(size)
    into_larger = pairs[(others > own) | ((others == own) & (pairs["other"] < pairs["code"]))]
    confused = (into_larger["confused_share"] >= demanded.confused_share) & (
        into_larger["confused_titles"] >= demanded.confused_titles
    )
    # Names that are alike are no reason where held-out titles show that the two are told apart.
    told_apart = into_larger["confused_share_high"] < demanded.confused_share
    alike = confused | ((into_larger["name_overlap"] >= demanded.name_overlap) & ~told_apart)
    chosen = into_larger.assign(reason=np.where(confused, CONFUSED, SIMILAR_NAME), confused=confused)[alike]
    chosen = chosen.sort_values(
        ["code", "confused", "confused_share", "name_overlap", "other"],
        ascending=[True, False, False, False, True],
        kind="stable",
    )
    return chosen.drop_duplicates("code").rename(columns={"other": "into"})


def _proposed(table: pd.DataFrame, targets: pd.DataFrame, demanded: TaxonomySettings) -> pd.DataFrame:
    into = table["code"].map(targets.set_index("code")["into"])
    merged = into.notna()
    # What others would become stays, however poor its accuracy is now.
    inaccurate = (table["accuracy_high"] < demanded.minimum_accuracy) & ~table["code"].isin(targets["into"])
    little = (table["trained"] < demanded.minimum_titles) & (table["accuracy_low"] < demanded.minimum_accuracy)
    reason = np.select([merged, inaccurate, little], ["", INACCURATE, LITTLE_DATA], ENOUGH)
    dropped = inaccurate | (table["trained"] == 0)
    table = table.assign(proposal=np.select([merged, dropped], [MERGE, DROP], KEEP), into=into, reason=reason)
    # The pair that led to the proposal is its evidence, though another may be nearer.
    table = table.set_index("code")
    table.update(targets.assign(nearest=targets["into"]).set_index("code")[["reason", "nearest", *_EVIDENCE]])
    return table.reset_index().astype({"confused_titles": "int64"})
