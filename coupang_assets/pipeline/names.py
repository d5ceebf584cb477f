"""Spec step 3: the category dictionary of a month from the base month's and the names the crawl found."""

import numpy as np
import pandas as pd

from coupang_assets.datasets import CATEGORY_CODES, CATEGORY_NAMES, COUPANG_CATE_ALL
from coupang_assets.pipeline.categories import category_keys

_NAMES = list(CATEGORY_NAMES)


def extend_dictionary(
    base: pd.DataFrame | None, diff: pd.DataFrame, named: pd.DataFrame, renamed: pd.DataFrame | None = None
) -> pd.DataFrame:
    """``coupang_cate_all``: the base month's rows and the new categories with their crawled names.

    Args:
        base: the base month's ``coupang_cate_all``, or None.
        diff: ``diff_data`` of the month.
        named: category1‥4 and cate1_name‥cate5_name of the categories the crawl named. Base rows that had no
            name and were asked again are filled in from it; a name that is known is not replaced by it.
        renamed: the same columns, of categories whose names a re-check of this month found and a person took over;
            they replace what is known.

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
    if renamed is not None:
        taken = category_keys(rows).isin(category_keys(renamed))
        again = renamed.set_index(category_keys(renamed))[_NAMES].reindex(category_keys(rows))
        rows.loc[taken, _NAMES] = again.to_numpy(dtype=object)[taken]
    rows[_NAMES] = rows[_NAMES].replace({np.nan: None})
    return rows


def unnamed_categories(diff: pd.DataFrame, unresolved: pd.DataFrame) -> pd.DataFrame:
    """The categories that need a name: new ones, and earlier ones that still have none.

    A category is not given up because its products were off sale or the shop refused in the month it was new. One
    without a category4 is never asked for.

    Args:
        diff: ``diff_data`` of the month.
        unresolved: category1‥4 that an earlier crawl asked for without finding a name.

    Returns:
        category1‥4, one row a category.
    """
    codes = list(CATEGORY_CODES)
    both = pd.concat([diff[codes], unresolved[codes]], ignore_index=True)
    return both[both["category4"].notna()].drop_duplicates().reset_index(drop=True)


def to_ask(candidates: pd.DataFrame, wanted: pd.DataFrame) -> pd.DataFrame:
    """The candidates to show the shop.

    Args:
        candidates: ``crawl_candidates`` of the month.
        wanted: category1‥4 of the categories that need a name.
    """
    return candidates[category_keys(candidates).isin(category_keys(wanted))].reset_index(drop=True)


def without(wanted: pd.DataFrame, named: pd.DataFrame) -> pd.DataFrame:
    """The categories of ``wanted`` that are not in ``named``: what any earlier month has named is not asked again."""
    return wanted[~category_keys(wanted).isin(category_keys(named))].reset_index(drop=True)


def explain_not_asked(summary: pd.DataFrame, asked: pd.DataFrame) -> pd.DataFrame:
    """The summary, which says so where a category was not asked for because the month has no product of it.

    Args:
        summary: one row a category, with outcome and reason.
        asked: candidates that were shown to the shop.
    """
    no_product = (summary["outcome"] == "not_asked") & ~category_keys(summary).isin(category_keys(asked))
    return summary.assign(reason=summary["reason"].mask(no_product, "the month has no product to ask with"))


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
