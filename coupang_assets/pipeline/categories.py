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


def unique_categories(raw: ir.Table) -> ir.Table:
    """``new_unique``: one row a category with its most frequent product and the category's rows.

    Of equally frequent products the smallest id; one without an id only where no product of the category has one.
    """
    products = _products(raw)
    # A smallest value instead of a ranking: nothing has to be sorted.
    place = ibis.struct(
        {"no_id": products.product_id.isnull(), "fewer": -products["count"], "product_id": products.product_id}
    )
    categories = (
        products.mutate(place=place)
        .group_by(_CODES)
        .aggregate(first=ibis._.place.min(), count=ibis._["count"].sum().cast("int64"))
    )
    chosen = categories.mutate(product_id=categories["first"].product_id).drop("first")
    return _with_titles(chosen, raw).select("product_id", "ep_title", *_CODES, "count")


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
    asked = raw.filter(raw.product_id.notnull(), raw.category4.notnull())
    products = _products(asked)
    ranking = ibis.window(group_by=_CODES, order_by=[products["count"].desc(), products.product_id])
    ranked = products.mutate(rank=ibis.row_number().over(ranking) + 1, count=products["count"].cast("int64"))
    chosen = ranked.filter(ranked["rank"] <= per_category)
    return _with_titles(chosen, asked).select(*_CODES, "rank", "product_id", "ep_title", "count")


def _products(raw: ir.Table) -> ir.Table:
    """Rows of each product of each category: category1‥4, product_id, count."""
    return raw.group_by([*_CODES, "product_id"]).aggregate(count=raw.count())


def _with_titles(chosen: ir.Table, raw: ir.Table) -> ir.Table:
    """Add each chosen product's first title in its category.

    Titles are looked up for the few that are chosen: carried along for all, they are what memory grows with.
    """
    keys = [*_CODES, "product_id"]
    events = raw.inner_join(chosen, [raw[name].identical_to(chosen[name]) for name in keys])
    return events.group_by(chosen.columns).aggregate(ep_title=events.ep_title.min())
