"""Spec step 6: the training set from refined daily events.

No nulls, one row a distinct title per category, at most ``cap`` rows a category. Rows are chosen and split by hashes,
so that neither file order nor threads matter.

Titles are near-duplicates when they have the same letters: order of words, spaces, digits, punctuation and case do
not count (`하기스 기저귀 60매`, `기저귀 하기스120매`). Products that share such a title, directly or through others, go
to one split together, so that a model is judged on what it has not seen in another guise.
"""

from collections.abc import Callable

import ibis
import ibis.expr.types as ir

# A title links products, a product links titles. After so many steps along the links nearly every group is one; of
# the longer chains a few rows are left out instead of searching for their ends.
_LINKS_FOLLOWED = 3
_NO_LETTERS = "[^A-Za-zㄱ-ㆎ가-힣ぁ-ヿ一-鿿]+"


def training_set(
    define: ir.Table,
    cap: int,
    valid_share: float,
    test_share: float,
    keep: Callable[[ir.Table], ir.Table] | None = None,
) -> ir.Table:
    """``coupang_train``.

    Args:
        define: all days of ``define_dailies``.
        cap: rows a category at most.
        valid_share: share of products in the valid split, 0 to 1.
        test_share: share of products in the test split, 0 to 1.
        keep: computes a table now and keeps it (``Engine.keep``), for a month that is larger than memory.

    Returns:
        product_id, ep_title, category4, split: each title of a category once.
    """
    keep = keep or (lambda table: table)
    events = define.filter(
        define.product_id.notnull(), define.category4.notnull(), define.ep_title.strip().length() > 0
    )
    rows = events.select("product_id", "ep_title", "category4")
    rows = rows.mutate(pick=_digest("pick", rows.product_id))
    rows = _within_reach(rows, cap, keep)
    return with_split(keep(_chosen(rows, cap)), valid_share, test_share)


def _within_reach(rows: ir.Table, cap: int, keep: Callable[[ir.Table], ir.Table]) -> ir.Table:
    """The rows of which ``cap`` titles a category are chosen: few, and found without sorting them all.

    Picks are counted by their first digits, each title of a category at its smallest. Titles are told apart by a hash:
    two that share one are counted as one, and then there are more rows than needed, never fewer.
    """
    rows = rows.mutate(digits=_ordinal(rows.pick))
    titles = rows.group_by("category4", title=rows.ep_title.hash()).agg(digits=rows.digits.min())
    counted = titles.group_by("category4", "digits").agg(titles=titles.count())
    smaller = ibis.window(group_by="category4", order_by="digits", preceding=(None, 1))
    counted = counted.mutate(smaller=counted.titles.sum().over(smaller).fill_null(0))
    reach = counted.filter(counted.smaller < cap).group_by("category4").agg(last=ibis._.digits.max())
    reach = keep(reach.select(category="category4", last="last"))
    near = rows.join(reach, [rows.category4 == reach.category, rows.digits <= reach.last])
    return near.select("product_id", "ep_title", "category4", "pick")


def _ordinal(pick: ir.StringColumn) -> ir.IntegerValue:
    """A number for the first three of the digits, in their order."""
    first, second, third = (pick.substr(place, 1).ascii_str().cast("int32") for place in range(3))
    return first * 128**2 + second * 128 + third


def _chosen(rows: ir.Table, cap: int) -> ir.Table:
    """Each title of a category once, at its smallest pick; of those, the ``cap`` smallest of the category."""
    rows = rows.distinct()
    one_a_title = ibis.window(group_by=["ep_title", "category4"], order_by=["pick", "product_id"])
    rows = rows.mutate(duplicate=ibis.row_number().over(one_a_title))
    rows = rows.filter(rows.duplicate == 0)
    in_category = ibis.window(group_by="category4", order_by=["pick", "product_id", "ep_title"])
    rows = rows.mutate(place=ibis.row_number().over(in_category))
    return rows.filter(rows.place < cap).select("product_id", "ep_title", "category4")


def near_duplicate_key(title: ir.StringColumn) -> ir.StringValue:
    """Equal for near-duplicate titles: a hash of the title's letters in alphabetical order.

    Letters are those of Korean shops: Hangul, Latin without accents, kana and Chinese characters. Of others, what is a
    letter and what its small form depends on the engine's version of Unicode. A title without any is its own key.
    """
    letters = title.re_replace(_NO_LETTERS, "").lower()
    text = ibis.ifelse(letters.length() > 0, letters.split("").sort().join(""), title)
    return text.hexdigest("md5").left(16)


def with_split(rows: ir.Table, valid_share: float, test_share: float) -> ir.Table:
    """Give each group of linked products and titles one split: that of its smallest label.

    Args:
        rows: product_id, ep_title, and whatever else.

    Returns:
        The rows with split (train, valid or test); those that would tie two splits together are left out. A product is
        in one split only, and so are all near-duplicates of a title.
    """
    rows = rows.mutate(key=near_duplicate_key(rows.ep_title))
    rows = rows.mutate(label=rows.key)
    for _ in range(_LINKS_FOLLOWED):
        rows = rows.mutate(label=rows.label.min().over(group_by="product_id"))
        rows = rows.mutate(label=rows.label.min().over(group_by="key"))
    # All rows of a key have one label now. A product at the end of a long chain may still have two.
    rows = rows.mutate(group=rows.label.min().over(group_by="product_id"))
    rows = rows.mutate(
        split=_split_of(rows.label, valid_share, test_share), whole=_split_of(rows.group, valid_share, test_share)
    )
    return rows.filter(rows.split == rows.whole).drop("key", "label", "group", "whole")


def _split_of(label: ir.StringColumn, valid_share: float, test_share: float) -> ir.StringValue:
    # Hashed again: the smallest of several labels is no even draw.
    bucket = _digest("split", label)
    return ibis.cases(
        (bucket < _threshold(test_share), "test"),
        (bucket < _threshold(test_share + valid_share), "valid"),
        else_="train",
    )


def _digest(salt: str, column: ir.StringColumn) -> ir.StringValue:
    return (ibis.literal(f"{salt}:") + column).hexdigest("md5").left(8)


def _threshold(share: float) -> str:
    return f"{round(share * 16**8):08x}"
