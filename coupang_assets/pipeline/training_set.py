"""Spec step 6: the training set from refined daily events.

No nulls, one row a distinct title per category, at most ``cap`` rows a category, split by product. Rows are chosen
by a hash of product_id, so that neither file order nor threads matter.
"""

import ibis
import ibis.expr.types as ir


def training_set(define: ir.Table, cap: int, valid_share: float, test_share: float) -> ir.Table:
    """``coupang_train``.

    Args:
        define: all days of ``define_dailies``.
        cap: rows a category at most.
        valid_share: share of products in the valid split, 0 to 1.
        test_share: share of products in the test split, 0 to 1.

    Returns:
        product_id, ep_title, category4, split (train, valid or test). A product is in one split only.
    """
    events = define.filter(
        define.product_id.notnull(), define.category4.notnull(), define.ep_title.strip().length() > 0
    )
    rows = events.select("product_id", "ep_title", "category4").distinct()
    rows = rows.mutate(pick=_digest("pick", rows.product_id))
    one_a_title = ibis.window(group_by=["ep_title", "category4"], order_by=["pick", "product_id"])
    rows = rows.mutate(duplicate=ibis.row_number().over(one_a_title))
    rows = rows.filter(rows.duplicate == 0)
    in_category = ibis.window(group_by="category4", order_by=["pick", "product_id", "ep_title"])
    rows = rows.mutate(place=ibis.row_number().over(in_category))
    rows = rows.filter(rows.place < cap)
    # Another salt than the pick's: with one hash for both, the cap would cut whole splits away.
    bucket = _digest("split", rows.product_id)
    split = ibis.cases(
        (bucket < _threshold(test_share), "test"),
        (bucket < _threshold(test_share + valid_share), "valid"),
        else_="train",
    )
    return rows.select("product_id", "ep_title", "category4", split=split)


def _digest(salt: str, column: ir.StringColumn) -> ir.StringValue:
    return (ibis.literal(f"{salt}:") + column).hexdigest("md5").left(8)


def _threshold(share: float) -> str:
    return f"{round(share * 16**8):08x}"
