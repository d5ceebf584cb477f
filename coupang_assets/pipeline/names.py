"""Spec step 3: the category dictionary of a month from the base month's and the names the crawl found."""

import pandas as pd

from coupang_assets.datasets import CATEGORY_NAMES, COUPANG_CATE_ALL
from coupang_assets.pipeline.categories import category_keys

_NAMES = list(CATEGORY_NAMES)


def extend_dictionary(base: pd.DataFrame | None, diff: pd.DataFrame, named: pd.DataFrame) -> pd.DataFrame:
    """``coupang_cate_all``: the base month's rows and the new categories with their crawled names.

    Args:
        base: the base month's ``coupang_cate_all``, or None.
        diff: ``diff_data`` of the month.
        named: category1‥4 and cate1_name‥cate5_name of the categories the crawl named. Base rows that had no
            name and were asked again are filled in from it; a name that is known is never replaced here.

    Returns:
        One row a category; names are missing where the crawl found none.
    """
    columns = list(COUPANG_CATE_ALL.column_names)
    new = diff.reindex(columns=columns).astype({name: object for name in _NAMES})
    if base is None:
        rows = new
    else:
        unknown = ~category_keys(new).isin(category_keys(base))
        rows = pd.concat([base[columns], new[unknown]], ignore_index=True)
    rows = rows.reset_index(drop=True).astype({name: object for name in _NAMES})

    found = named.set_index(category_keys(named))[_NAMES].reindex(category_keys(rows))
    unnamed = rows["cate1_name"].isna().to_numpy()
    rows.loc[unnamed, _NAMES] = found.to_numpy(dtype=object)[unnamed]
    rows[_NAMES] = rows[_NAMES].where(rows[_NAMES].notna(), None)
    return rows


def to_ask(candidates: pd.DataFrame, diff: pd.DataFrame, unresolved: pd.DataFrame) -> pd.DataFrame:
    """The candidates to show the shop: of new categories, and of earlier ones that still have no name.

    A category is not given up because its products were off sale or the shop refused in the month it was new.

    Args:
        candidates: ``crawl_candidates`` of the month.
        diff: ``diff_data`` of the month.
        unresolved: category1‥4 that an earlier crawl asked for without finding a name.
    """
    keys = category_keys(candidates)
    wanted = keys.isin(category_keys(diff)) | keys.isin(category_keys(unresolved))
    return candidates[wanted].reset_index(drop=True)


def naming_outcomes(diff: pd.DataFrame, summary: pd.DataFrame) -> pd.Series:
    """What became of each new category.

    Args:
        diff: ``diff_data`` of the month.
        summary: category1‥4 and outcome of the categories the shop was asked for.

    Returns:
        Number of new categories by outcome; ``no_code`` has no category4 and is never asked, ``not_asked`` has no
        product to ask with, or the crawl stopped before.
    """
    outcomes = summary.set_index(category_keys(summary))["outcome"].astype(str)
    of_diff = outcomes.reindex(category_keys(diff)).fillna("not_asked").to_numpy(dtype=object)
    of_diff[diff["category4"].isna().to_numpy()] = "no_code"
    return pd.Series(of_diff).value_counts().sort_index()
