"""Re-check: the sample is the same every time, and every sampled category gets its finding."""

import pandas as pd
import pytest

from coupang_assets.datasets import CATEGORY_CODES, CATEGORY_NAMES, COUPANG_CATE_ALL, RECHECK
from coupang_assets.pipeline.recheck import findings, products_to_ask, sample_known
from coupang_assets.storage.frame_types import validate_frame

CODES, NAMES = list(CATEGORY_CODES), list(CATEGORY_NAMES)


def dictionary(rows: int) -> pd.DataFrame:
    table = [
        (str(n), "0001", "0002", None, f"{n:04d}", "제목", 3, "식품", f"과일{n}", None, None, None) for n in range(rows)
    ]
    return pd.DataFrame(table, columns=list(COUPANG_CATE_ALL.column_names), dtype=object)


def answer(code: str, outcome: str, *names: str, reason: str | None = None) -> dict[str, object]:
    found = dict(zip(NAMES, [*names, *[None] * (5 - len(names))], strict=True))
    return {
        **dict(zip(CODES, ("0001", "0002", None, code), strict=True)), "outcome": outcome, **found, "product_id": "7",
        "agreeing": len(names), "dissent": None, "reason": reason,
    }  # fmt: skip


def test_sample_is_a_share_and_does_not_depend_on_the_order_of_rows() -> None:
    known = dictionary(200)
    sampled = sample_known(known, 0.05, seed=0)
    assert len(sampled) == 10
    assert sample_known(known.sample(frac=1, random_state=1), 0.05, seed=0).equals(sampled)
    assert set(sample_known(known, 0.10, seed=0)["category4"]) > set(sampled["category4"])
    assert set(sample_known(known, 0.05, seed=1)["category4"]) != set(sampled["category4"])
    assert len(sample_known(known, 1.0, seed=0)) == 200
    assert len(sample_known(known, 0.0001, seed=0)) == 1
    assert sample_known(known.iloc[:0], 0.05, seed=0).empty


def test_categories_without_a_name_or_a_category4_are_not_sampled() -> None:
    known = dictionary(3)
    known.loc[0, "cate1_name"] = None
    known.loc[1, "category4"] = None
    assert sample_known(known, 1.0, seed=0)["category4"].tolist() == ["0002"]


def test_products_of_the_month_are_asked_before_the_one_that_gave_the_name() -> None:
    sampled = dictionary(2)
    candidates = pd.DataFrame(
        [("0001", "0002", None, "0000", rank, product) for rank, product in ((1, "50"), (2, "51"))],
        columns=[*CODES, "rank", "product_id"],
    )
    named_by = pd.DataFrame(
        [("0001", "0002", None, code, product) for code, product in (("0000", "51"), ("0001", "60"), ("0009", "70"))],
        columns=[*CODES, "product_id"],
    )
    asked = products_to_ask(sampled, candidates, named_by, per_category=3)
    first = asked[asked["category4"] == "0000"]
    assert first["product_id"].tolist() == ["50", "51", "0"]
    assert first["rank"].tolist() == [1, 2, 3]
    assert asked[asked["category4"] == "0001"]["product_id"].tolist() == ["60", "1"]
    assert products_to_ask(sampled, candidates, named_by, per_category=1)["rank"].tolist() == [1, 1]


@pytest.mark.parametrize(
    ("said", "finding"),
    [
        (answer("0000", "named", "식품", "과일0"), "unchanged"),
        (answer("0000", "named", "식품", "열대과일"), "renamed"),
        (answer("0000", "named", "식품", "과일0", "사과"), "renamed"),
        (answer("0000", "off_sale", reason="off sale"), "vanished"),
        (answer("0000", "no_breadcrumb", reason="no breadcrumb on the page"), "vanished"),
        (answer("0000", "failed", reason="HTTP 404"), "vanished"),
        (answer("0000", "failed", reason="HTTP 500"), "not_answered"),
        (answer("0000", "refused", reason="HTTP 403"), "not_answered"),
        (answer("0000", "not_asked", reason="the crawl stopped before its turn"), "not_answered"),
        (answer("9999", "named", "식품"), "not_answered"),
    ],
)
def test_every_answer_has_its_finding(said: dict[str, object], finding: str) -> None:
    found = findings(dictionary(1), pd.DataFrame([said]))
    validate_frame(RECHECK, found, "test")
    row = found.iloc[0]
    assert (row["finding"], row["cate2_name"]) == (finding, "과일0")
    assert (row["reason"] is None) == (finding in ("unchanged", "renamed"))


def test_nothing_known_gives_an_empty_table() -> None:
    found = findings(dictionary(0), pd.DataFrame([answer("0000", "named", "식품")]))
    validate_frame(RECHECK, found, "test")
    assert found.empty
