"""Names: the month's dictionary from the base month's and the crawl, and what became of each new category."""

import pandas as pd
import pytest

from coupang_assets.datasets import CATEGORY_CODES, CATEGORY_NAMES, COUPANG_CATE_ALL, DIFF_DATA
from coupang_assets.pipeline.names import (
    explain_not_asked,
    extend_dictionary,
    naming_outcomes,
    to_ask,
    unnamed_categories,
    without,
)

CODES, NAMES = list(CATEGORY_CODES), list(CATEGORY_NAMES)
A, B, C = ("0001", "0002", "0003", "0004"), ("0001", "0002", None, "0005"), ("0009", None, None, None)
D = ("0009", None, None, "0044")


def diff(*categories: tuple[str | None, ...]) -> pd.DataFrame:
    rows = [("7", "제목", *codes, 3) for codes in categories]
    return pd.DataFrame(rows, columns=["product_id", "ep_title", *CODES, "count"])[list(DIFF_DATA.column_names)]


def named(**names: tuple[str | None, ...]) -> pd.DataFrame:
    codes = {"A": A, "B": B, "C": C}
    rows = [(*codes[key], *value, *[None] * (5 - len(value))) for key, value in names.items()]
    return pd.DataFrame(rows, columns=[*CODES, *NAMES], dtype=object)


def names_of(frame: pd.DataFrame, codes: tuple[str | None, ...]) -> list[str | None]:
    is_it = pd.concat([frame[n].eq(c) if c else frame[n].isna() for n, c in zip(CODES, codes, strict=True)], axis=1)
    (row,) = frame[is_it.all(axis=1)].to_dict("records")
    return [row[name] for name in NAMES]


def test_new_categories_get_their_names_and_others_stay_without() -> None:
    found = extend_dictionary(None, diff(A, B, C), named(A=("식품", "과일", "사과", "부사")))
    assert list(found.columns) == list(COUPANG_CATE_ALL.column_names)
    assert names_of(found, A) == ["식품", "과일", "사과", "부사", None]
    assert names_of(found, B) == names_of(found, C) == [None] * 5
    assert found["count"].tolist() == [3, 3, 3]


def test_a_known_name_is_never_replaced_and_a_missing_one_is_filled_in_later() -> None:
    base = extend_dictionary(None, diff(A, B), named(A=("식품", "과일", "사과", "부사")))
    found = extend_dictionary(base, diff(C), named(A=("캠페인",), B=("주방",), C=("완구",)))
    assert names_of(found, A)[0] == "식품"
    assert names_of(found, B)[0] == "주방", "a code that is missing equals one that is missing"
    assert names_of(found, C)[0] == "완구"
    assert len(found) == 3


def test_a_category_that_is_in_the_base_already_is_not_doubled() -> None:
    base = extend_dictionary(None, diff(A), named(A=("식품",)))
    found = extend_dictionary(base, diff(A, B), named())
    assert len(found) == 2
    assert names_of(found, A)[0] == "식품"


@pytest.mark.parametrize("base", [None, extend_dictionary(None, diff(A), named(A=("식품",)))])
def test_a_month_without_anything_new_is_the_base(base: pd.DataFrame | None) -> None:
    found = extend_dictionary(base, diff(), named())
    assert len(found) == (0 if base is None else 1)
    assert list(found.columns) == list(COUPANG_CATE_ALL.column_names)


def test_a_name_taken_over_from_a_recheck_replaces_what_is_known() -> None:
    base = extend_dictionary(None, diff(A, B), named(A=("식품", "과일", "사과", "부사"), B=("주방",)))
    found = extend_dictionary(base, diff(), named(A=("식품", "과일"), B=("욕실",)), named(A=("식품", "과일")))
    assert names_of(found, A) == ["식품", "과일", None, None, None], "whole paths are replaced"
    assert names_of(found, B)[0] == "주방"


def test_the_shop_is_asked_for_new_categories_and_for_those_still_without_a_name() -> None:
    candidates = pd.DataFrame(
        [(*codes, rank, f"{rank}") for codes in (A, B, D) for rank in (1, 2)], columns=[*CODES, "rank", "product_id"]
    )
    unresolved = pd.DataFrame([D], columns=CODES, dtype=object)
    wanted = unnamed_categories(diff(B, C), unresolved)
    assert wanted["category4"].tolist() == ["0005", "0044"], "a category without a category4 is never asked for"
    assert to_ask(candidates, wanted)["category1"].tolist() == ["0001", "0001", "0009", "0009"]
    assert to_ask(candidates, wanted.iloc[:0]).empty
    assert without(wanted, unresolved)["category4"].tolist() == ["0005"]


def test_a_category_without_a_product_says_so() -> None:
    columns = [*CODES, "outcome", "reason"]
    summary = pd.DataFrame([(*A, "not_asked", "stopped"), (*B, "not_asked", "stopped")], columns=columns)
    asked = pd.DataFrame([(*A, 1, "7")], columns=[*CODES, "rank", "product_id"])
    assert explain_not_asked(summary, asked)["reason"].tolist() == ["stopped", "the month has no product to ask with"]


def test_every_new_category_has_exactly_one_outcome() -> None:
    summary = pd.DataFrame([(*A, "named"), ("0777", None, None, "0778", "refused")], columns=[*CODES, "outcome"])
    outcomes = naming_outcomes(diff(A, B, C), summary)
    assert outcomes.to_dict() == {"named": 1, "not_asked": 1, "no_code": 1}
    assert naming_outcomes(diff(), summary).sum() == 0
