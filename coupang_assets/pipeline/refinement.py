"""Spec step 4: one code a category, special products set to null, and the dictionary that remains.

Rules (DESIGN section 4). A category4 without a cate1_name is a special product: its codes become null. Codes with
the same (cate1_name, cate4_name) are one category: the code with most rows stays. A category4 without a cate4_name
takes the largest category4 of its cate1_name. Every decision is a row of ``category_merge``.
"""

import ibis
import ibis.expr.types as ir
import pandas as pd

from coupang_assets.datasets import CATE_DICTIONARY, CATEGORY_CODES, CATEGORY_MERGE, CATEGORY_NAMES
from coupang_assets.errors import CoupangAssetsError
from coupang_assets.pipeline.categories import category_keys

KEPT = "kept"
SAME_NAME = "same_name"
NO_CATE4_NAME = "no_cate4_name"
NO_CATE1_NAME = "no_cate1_name"
NO_CODE = "no_code"

# Rows of this month decide; between equals the rows when the category was new, then the smaller code.
_LARGEST_FIRST = ["rows", "rows_when_new", "category4"]
_ASCENDING = [False, False, True]


def main_paths(cate_all: pd.DataFrame, unique: pd.DataFrame) -> pd.DataFrame:
    """The one path of each category4: of its named paths the one with most rows.

    Args:
        cate_all: ``coupang_cate_all`` of the month.
        unique: ``new_unique`` of the month, whose counts are the month's rows.

    Returns:
        category4 (unique), category1‥3, cate1_name‥cate5_name, rows (of all its paths this month), rows_when_new.

    Raises:
        CoupangAssetsError: the month has categories the dictionary does not know.
    """
    unknown = unique[~category_keys(unique).isin(category_keys(cate_all))]
    if len(unknown):
        codes = unknown[list(CATEGORY_CODES)].head(3).to_dict("records")
        raise CoupangAssetsError(
            f"{len(unknown)} categories of new_unique are not in coupang_cate_all, for example {codes}",
            "coupang_cate_all is older than the month's data: materialize diff_data and what follows again",
        )
    paths = cate_all[[*CATEGORY_CODES, *CATEGORY_NAMES, "count"]].rename(columns={"count": "rows_when_new"})
    rows = pd.Series(unique["count"].to_numpy(), index=category_keys(unique))
    paths["path_rows"] = rows.reindex(category_keys(paths)).fillna(0).astype("int64").to_numpy()
    paths["rows_when_new"] = paths["rows_when_new"].fillna(0).astype("int64")
    paths = paths[paths["category4"].notna()]
    totals = paths.groupby("category4")[["path_rows", "rows_when_new"]].sum()
    paths = (
        paths.assign(unnamed=paths["cate1_name"].isna())
        .sort_values(
            ["unnamed", "path_rows", "rows_when_new", "category1", "category2", "category3"],
            ascending=[True, False, False, True, True, True],
            kind="stable",
        )
        .drop_duplicates("category4")
        .drop(columns=["unnamed", "path_rows", "rows_when_new"])
        .sort_values("category4")
    )
    paths["rows"] = totals["path_rows"].reindex(paths["category4"]).to_numpy()
    paths["rows_when_new"] = totals["rows_when_new"].reindex(paths["category4"]).to_numpy()
    return paths.reset_index(drop=True)


def merge_categories(cate_all: pd.DataFrame, unique: pd.DataFrame) -> pd.DataFrame:
    """``category_merge``: where each category4 goes, why, and how many rows of the month that is.

    The counts add up to the month's rows. A code that stays maps to itself, so refining twice changes nothing.
    """
    paths = main_paths(cate_all, unique).sort_values(_LARGEST_FIRST, ascending=_ASCENDING, kind="stable")
    paths = paths.assign(merged_category4=None, reason=NO_CATE1_NAME).astype({"merged_category4": object})

    named = paths[paths["cate1_name"].notna() & paths["cate4_name"].notna()]
    survivor = named.groupby(["cate1_name", "cate4_name"], sort=False)["category4"].transform("first")
    paths.loc[named.index, "merged_category4"] = survivor
    paths.loc[named.index, "reason"] = (survivor == named["category4"]).map({True: KEPT, False: SAME_NAME})

    # A top whose paths are all short has no named category4: the largest of them stands for the top.
    merged = (
        named.assign(category4=survivor)
        .groupby(["cate1_name", "category4"], as_index=False)[["rows", "rows_when_new"]]
        .sum()
    )
    short = paths[paths["cate1_name"].notna() & paths["cate4_name"].isna()]
    largest = (
        pd.concat([merged, short[~short["cate1_name"].isin(merged["cate1_name"])]])
        .sort_values(_LARGEST_FIRST, ascending=_ASCENDING, kind="stable")
        .drop_duplicates("cate1_name")
        .set_index("cate1_name")["category4"]
    )
    target = short["cate1_name"].map(largest)
    paths.loc[short.index, "merged_category4"] = target
    paths.loc[short.index, "reason"] = (target == short["category4"]).map({True: KEPT, False: NO_CATE4_NAME})

    merge = paths.rename(columns={"rows": "count"})[list(CATEGORY_MERGE.column_names)]
    without_code = int(unique.loc[unique["category4"].isna(), "count"].sum())
    if without_code:
        row = {"category4": None, "merged_category4": None, "reason": NO_CODE, "count": without_code}
        merge = pd.concat([merge, pd.DataFrame([row]).astype({"count": "int64"})], ignore_index=True)
    return merge.sort_values("category4", na_position="last").reset_index(drop=True)


def dictionary(cate_all: pd.DataFrame, unique: pd.DataFrame, merge: pd.DataFrame) -> pd.DataFrame:
    """``cate_dictionary``: one row a surviving category4 with the codes and names of its whole path."""
    survivors = merge.loc[merge["reason"] == KEPT, "category4"]
    paths = main_paths(cate_all, unique)
    renamed = {f"category{n}": f"lv{n}_code" for n in range(1, 5)} | {
        f"cate{n}_name": f"lv{n}_name" for n in range(1, 5)
    }
    kept = paths[paths["category4"].isin(survivors)].rename(columns=renamed)
    return kept[list(CATE_DICTIONARY.column_names)].sort_values("lv4_code").reset_index(drop=True)


def category_paths(dictionary: pd.DataFrame) -> dict[str, tuple[str, ...]]:
    """Names of each category of ``cate_dictionary``, top first, by its code."""
    names = dictionary[[f"lv{level}_name" for level in range(1, 5)]].itertuples(index=False)
    return {
        code: tuple(name for name in path if pd.notna(name))
        for code, path in zip(dictionary["lv4_code"], names, strict=True)
    }


def refine_events(raw: ir.Table, merge: pd.DataFrame, codes: pd.DataFrame) -> ir.Table:
    """``define_dailies``: every row of ``raw`` with its category replaced by the one it was merged into.

    Args:
        raw: a day of ``raw_dailies``.
        merge: ``category_merge``.
        codes: ``cate_dictionary``.

    Returns:
        As many rows as ``raw``; codes are null where the category became null.
    """
    target = codes[[f"lv{n}_code" for n in range(1, 5)]].set_axis(list(CATEGORY_CODES), axis=1)
    mapping = merge.loc[merge["merged_category4"].notna(), ["category4", "merged_category4"]].merge(
        target, left_on="merged_category4", right_on="category4", suffixes=("_before", ""), validate="many_to_one"
    )
    columns = ["category4_before", *CATEGORY_CODES]
    lookup = ibis.memtable(mapping[columns], schema=ibis.schema(dict.fromkeys(columns, "string")))
    joined = raw.select("product_id", "ep_title", category4_raw=raw.category4).left_join(
        lookup, [("category4_raw", "category4_before")]
    )
    return joined.select("product_id", "ep_title", *CATEGORY_CODES)
