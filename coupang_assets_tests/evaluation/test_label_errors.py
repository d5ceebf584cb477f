"""Planted label errors are found first, the same every time, and what cannot be judged is no error."""

import random

import ibis
import ibis.expr.types as ir
import pandas as pd
import pytest

from coupang_assets.datasets import LABEL_ERRORS
from coupang_assets.evaluation.label_errors import find_label_errors, looked_at
from coupang_assets.settings import LabelErrorSettings
from coupang_assets.storage.frame_types import validate_frame

OPTIONS = LabelErrorSettings()
WORDS = {
    "0001": ["립스틱", "매트", "촉촉한", "레드"],
    "0002": ["틴트", "물광", "워터", "코랄"],
    "0003": ["쌀", "햅쌀", "백미", "씻어나온"],
    "0004": ["현미", "찰현미", "잡곡", "혼합곡"],
}
NAMES = {"0001": ("뷰티", "립스틱"), "0002": ("뷰티", "틴트"), "0003": ("식품", "쌀"), "0004": ("식품", "현미")}


def training(titles: int, wrong: int, codes: tuple[str, ...] = tuple(WORDS)) -> tuple[pd.DataFrame, set[str]]:
    """Titles of each category, and which products have another category's code."""
    chance = random.Random(7)
    rows = []
    for number in range(titles):
        code = codes[number % len(codes)]
        brand = "".join(chance.choice("가나다라마바사아자차") for _ in range(4))
        rows.append((str(number), f"{brand} {' '.join(chance.sample(WORDS[code], 3))}", code, "train"))
    table = pd.DataFrame(rows, columns=["product_id", "ep_title", "category4", "split"], dtype=object)
    mislabelled = chance.sample(range(titles), wrong)
    for number in mislabelled:
        others = [code for code in codes if code != table.loc[number, "category4"]]
        table.loc[number, "category4"] = chance.choice(others)
    return table, {str(number) for number in mislabelled}


def table_of(rows: pd.DataFrame) -> ir.Table:
    return ibis.memtable(rows, schema=dict.fromkeys(rows.columns, "string"))


def found(rows: pd.DataFrame, options: LabelErrorSettings = OPTIONS) -> pd.DataFrame:
    result = find_label_errors(looked_at(table_of(rows), options), NAMES, options)
    validate_frame(LABEL_ERRORS, result, "label errors")
    return result


def test_what_was_planted_is_found_and_the_right_category_suggested() -> None:
    table, planted = training(600, 30)
    result = found(table)
    assert set(result["product_id"]) <= planted and len(result) >= 28
    truth = {number: list(WORDS)[int(number) % 4] for number in planted}
    assert result["suggested"].tolist() == [truth[number] for number in result["product_id"]]
    assert result["suggested_path"].tolist() == [" > ".join(NAMES[code]) for code in result["suggested"]]
    assert result["rank"].tolist() == list(range(1, len(result) + 1))
    assert result["quality"].is_monotonic_increasing
    assert (result["given_probability"] < result["suggested_probability"]).all()


def test_neither_the_order_of_rows_nor_a_second_time_matters() -> None:
    table, _ = training(400, 25)
    first = found(table)
    pd.testing.assert_frame_equal(first, found(table.sample(frac=1, random_state=2)))


def test_only_the_worst_are_listed() -> None:
    table, _ = training(600, 30)
    whole = found(table)
    pd.testing.assert_frame_equal(found(table, LabelErrorSettings(listed=7)), whole.head(7))


def test_a_sample_is_even_and_within_its_bound() -> None:
    table, _ = training(2000, 0)
    titles = looked_at(table_of(table), LabelErrorSettings(titles=200))
    assert titles["category4"].value_counts().to_dict() == dict.fromkeys(WORDS, 50)
    assert set(titles["fold"]) == {0, 1, 2}


def test_near_duplicates_are_never_judged_by_a_model_that_saw_them() -> None:
    table, _ = training(400, 0)
    again = table.assign(ep_title=table["ep_title"] + " 60매", product_id="again " + table["product_id"])
    more = table.assign(ep_title=table["ep_title"] + ", 120매", product_id="more " + table["product_id"])
    titles = looked_at(table_of(pd.concat([again, more])), OPTIONS)
    number = titles["product_id"].str.split(" ").str[1]
    assert (titles.groupby(number)["fold"].nunique() == 1).all() and len(titles) == 800


@pytest.mark.parametrize("titles", [0, 2, 40])
def test_one_category_or_none_has_no_label_errors(titles: int) -> None:
    table, _ = training(titles, 0, codes=("0001",))
    assert found(table).empty


def test_a_category_with_fewer_titles_than_folds_is_not_judged() -> None:
    table, _ = training(400, 0)
    few = table.head(2).assign(category4="0009", product_id=["x", "y"], ep_title=["현미 쌀", "틴트"])
    titles = looked_at(table_of(pd.concat([table, few])), OPTIONS)
    assert "0009" not in set(titles["category4"]) and len(titles) == 400


def test_titles_that_say_nothing_are_no_error() -> None:
    table, _ = training(100, 0)
    silent = table.head(9).assign(
        ep_title=[f"{'😀' * n}" for n in range(1, 10)], product_id=[f"e{n}" for n in range(9)]
    )
    found(pd.concat([table, silent], ignore_index=True))
