"""Spec step 2: the categories of a month, and which of them the base month does not know.

A category is a distinct (category1, …, category4), missing codes included.
"""

import ibis
import ibis.expr.types as ir
import pandas as pd

from coupang_assets.datasets import CATEGORY_CODES, DIFF_DATA, UPDATED_UNIQUE

_CODES = list(CATEGORY_CODES)


def category_keys(frame: pd.DataFrame) -> pd.MultiIndex:
    """The category of each row as something that can be compared; a missing code equals a missing code."""
    return pd.MultiIndex.from_frame(frame[_CODES].fillna("").astype(str))


def ranked_products(raw: ir.Table) -> ir.Table:
    """Products of each category by rows, most frequent first.

    Returns:
        category1‥4, rank (from 1), product_id, ep_title, count (rows of the product), category_count. Products
        without an id come last; equal counts are ordered by product_id, so that the ranking is one.
    """
    products = _products(raw)
    by_category = ibis.window(group_by=_CODES)
    ranking = ibis.window(
        group_by=_CODES, order_by=[products.product_id.isnull(), products["count"].desc(), products.product_id]
    )
    return products.mutate(
        rank=ibis.row_number().over(ranking) + 1, category_count=products["count"].sum().over(by_category)
    )


def unique_categories(raw: ir.Table) -> ir.Table:
    """``new_unique``: one row a category with its most frequent product and the category's rows."""
    products = _products(raw)
    # The first of `ranked_products`, as a smallest value: nothing has to be sorted, and no category held as a whole.
    place = ibis.struct(
        {
            "no_id": products.product_id.isnull(),
            "fewer": -products["count"],
            "product_id": products.product_id,
            "ep_title": products.ep_title,
        }
    )
    categories = (
        products.mutate(place=place)
        .group_by(_CODES)
        .aggregate(first=ibis._.place.min(), count=ibis._["count"].sum().cast("int64"))
    )
    first = categories["first"]
    return categories.select(
        product_id=first.product_id, ep_title=first.ep_title, **{n: n for n in _CODES}, count="count"
    )


def new_categories(unique: pd.DataFrame, base: pd.DataFrame | None) -> pd.DataFrame:
    """``diff_data``: the rows of ``new_unique`` whose category is not in the base month's ``updated_unique``.

    With no base month every category is new.
    """
    if base is None:
        return unique[list(DIFF_DATA.column_names)].reset_index(drop=True)
    known = category_keys(unique).isin(category_keys(base))
    return unique.loc[~known, list(DIFF_DATA.column_names)].reset_index(drop=True)


def update_unique(unique: pd.DataFrame, base: pd.DataFrame | None) -> pd.DataFrame:
    """``updated_unique``: the base month's categories and the new ones, one row each."""
    columns = list(UPDATED_UNIQUE.column_names)
    new = new_categories(unique, base)[columns]
    return new if base is None else pd.concat([base[columns], new], ignore_index=True)


def crawl_candidates(raw: ir.Table, per_category: int) -> ir.Table:
    """Up to ``per_category`` products with an id for each category, most frequent first (spec step 3).

    A row without a category4 gives none: its products need not belong together.
    """
    ranked = ranked_products(raw.filter(raw.product_id.notnull(), raw.category4.notnull()))
    return ranked.filter(ranked["rank"] <= per_category).select(
        *_CODES, "rank", "product_id", "ep_title", ranked["count"].cast("int64").name("count")
    )


def _products(raw: ir.Table) -> ir.Table:
    return raw.group_by([*_CODES, "product_id"]).aggregate(count=raw.count(), ep_title=raw.ep_title.min())
