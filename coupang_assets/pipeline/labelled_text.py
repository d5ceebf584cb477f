"""The text an e5 model learns from and its two levels of categories (spec 001, section 2).

Belongs here: the table, from the month's training set or from exported products. Does not: reading either.
"""

from __future__ import annotations

from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
import pandas as pd

from coupang_assets.errors import CoupangAssetsError
from coupang_assets.pipeline.refinement import category_paths
from coupang_assets.pipeline.training_set import with_split

_BAR = " | "
_STEP = " > "


@dataclass(frozen=True, slots=True)
class ProductColumns:
    """What the columns of a product table are called; empty where it has none."""

    name: str = "name"
    manufacturer: str = "manufacturer"
    category: str = "category"
    top: str = ""
    specifications: str = ""

    @property
    def present(self) -> list[str]:
        return [
            column for column in (self.name, self.manufacturer, self.category, self.top, self.specifications) if column
        ]


def from_training_set(training: ir.Table, dictionary: pd.DataFrame) -> ir.Table:
    """`e5_labelled_text` from `coupang_train` and `cate_dictionary`.

    Returns:
        product_id, ep_title (the text), category4 (the label), category1 (its top), path, split; as many rows.
    """
    paths = {code: _STEP.join(path) for code, path in category_paths(dictionary).items()}
    names = pd.DataFrame(
        {
            "code": dictionary["lv4_code"],
            "category1": dictionary["lv1_code"],
            "path": [paths[code] for code in dictionary["lv4_code"]],
        }
    )
    lookup = ibis.memtable(names, schema=ibis.schema(dict.fromkeys(names.columns, "string")))
    joined = training.left_join(lookup, training.category4 == lookup.code)
    return joined.select("product_id", "ep_title", "category4", "category1", "path", "split")


def from_products(products: ir.Table, columns: ProductColumns, valid_share: float, test_share: float) -> ir.Table:
    """`e5_labelled_text` from exported products: `name | manufacturer`, and the specifications if they are named.

    Rows without name or category are left out, and so are repetitions of the same text in a category. The split is
    that of `training_set`: no product and no near-duplicate of its text is in two.

    Returns:
        As `from_training_set`; product_id is the name.

    Raises:
        CoupangAssetsError: a column is missing.
    """
    missing = [column for column in columns.present if column not in products.columns]
    if missing:
        raise CoupangAssetsError(
            f"The products have no column {', '.join(missing)}; they have {', '.join(products.columns)}.",
            "Set COUPANG_E5__NAME_COLUMN and its neighbours to what they are called there.",
        )
    name, category = _text(products, columns.name), _text(products, columns.category)
    parts = [_text(products, column) for column in (columns.manufacturer, columns.specifications) if column]
    text = name
    for part in parts:
        text = text + ibis.ifelse(part == "", "", ibis.literal(_BAR) + part)
    top = _text(products, columns.top) if columns.top else None
    rows = products.select(
        product_id=name,
        ep_title=text,
        category4=category,
        category1=ibis.null("string") if top is None else top.nullif(""),
        path=category if top is None else top + _STEP + category,
    )
    rows = rows.filter(rows.product_id != "", rows.category4 != "").distinct()
    found = with_split(rows, valid_share, test_share)
    return found.select("product_id", "ep_title", "category4", "category1", "path", "split")


def _text(table: ir.Table, column: str) -> ir.StringValue:
    # One line, as the CSV's rows are read by people; the model sees no difference.
    value: ir.StringValue = table[column].cast("string").fill_null("").re_replace(r"\s+", " ").strip()
    return value
