"""The e5 model's texts and labels, from the month's training set and from exported products."""

from __future__ import annotations

import ibis
import pandas as pd
import pytest

from coupang_assets.classifiers.e5.text import product_text
from coupang_assets.errors import CoupangAssetsError
from coupang_assets.pipeline.labelled_text import ProductColumns, from_products, from_training_set

COLUMNS = ["product_id", "ep_title", "category4", "category1", "path", "split"]
SPECIFIED = ProductColumns(top="top_category", specifications="specifications")


def products(**changes: list[str | None]) -> ibis.Table:
    rows = {
        "id": [1, 2, 3],
        "name": ["에르고베이비  아기띠", "하기스 기저귀", "뽀로로 자동차"],
        "manufacturer": ["에르고베이비", None, " "],
        "category": ["아기띠/외출용품", "기저귀", "완구"],
        "top_category": ["유아", "유아", None],
        "specifications": ["무게: 1kg", None, None],
    }
    return ibis.memtable(pd.DataFrame({**rows, **changes}))


def labelled(table: ibis.Table, columns: ProductColumns = SPECIFIED) -> pd.DataFrame:
    return from_products(table, columns, 0.1, 0.1).order_by("product_id").execute()


def test_the_text_is_name_bar_manufacturer_and_what_is_empty_is_left_out() -> None:
    found = labelled(products())
    assert list(found.columns) == COLUMNS
    assert found["ep_title"].tolist() == [
        "뽀로로 자동차",
        "에르고베이비 아기띠 | 에르고베이비 | 무게: 1kg",
        "하기스 기저귀",
    ]
    assert found["ep_title"][1] == product_text("에르고베이비  아기띠", "에르고베이비", "무게: 1kg")


def test_specifications_are_read_only_if_named() -> None:
    found = labelled(products(), ProductColumns())
    assert found["ep_title"][1] == "에르고베이비 아기띠 | 에르고베이비"


def test_label_top_and_path_are_the_products() -> None:
    found = labelled(products()).set_index("product_id")
    assert found.loc["하기스 기저귀", ["category4", "category1", "path"]].tolist() == [
        "기저귀",
        "유아",
        "유아 > 기저귀",
    ]
    assert pd.isna(found.loc["뽀로로 자동차", "category1"])


def test_products_without_name_or_category_and_repetitions_are_left_out() -> None:
    table = products(name=["a", "", "a"], category=["x", "y", "x"], specifications=[None] * 3, manufacturer=[None] * 3,
                     top_category=["t", "t", "t"])  # fmt: skip
    assert labelled(table)[["ep_title", "category4"]].to_numpy().tolist() == [["a", "x"]]


def test_the_same_product_is_in_one_split_whoever_makes_it() -> None:
    names = [f"{chr(0xAC00 + 31 * (number // 2))} 상품" for number in range(400)]
    table = ibis.memtable(
        pd.DataFrame({"name": names, "manufacturer": ["a", "b"] * 200, "category": ["x"] * 400}),
    )
    found = from_products(table, ProductColumns(), 0.2, 0.2).execute()
    assert len(found) == 400
    assert (found.groupby("product_id")["split"].nunique() == 1).all()
    shares = found["split"].value_counts(normalize=True)
    assert {"train", "valid", "test"} == set(shares.index)
    assert shares["train"] == pytest.approx(0.6, abs=0.1)


def test_a_missing_column_is_named_with_its_setting() -> None:
    with pytest.raises(CoupangAssetsError, match=r"no column manufacturer; they have[\s\S]*COUPANG_E5__NAME_COLUMN"):
        labelled(products().drop("manufacturer"))


def test_the_months_training_set_gets_its_top_categories_and_paths() -> None:
    training = ibis.memtable(
        pd.DataFrame(
            {
                "product_id": ["1", "2"],
                "ep_title": ["a", "b"],
                "category4": ["0012", "0099"],
                "split": ["train", "test"],
            }
        )
    )
    codes = {"lv1_code": ["0001"], "lv2_code": ["0002"], "lv3_code": ["0003"], "lv4_code": ["0012"]}
    names = {"lv1_name": ["뷰티"], "lv2_name": ["메이크업"], "lv3_name": ["립"], "lv4_name": ["틴트"]}
    found = from_training_set(training, pd.DataFrame({**codes, **names})).order_by("product_id").execute()
    assert list(found.columns) == COLUMNS
    assert found.loc[0, ["category1", "path"]].tolist() == ["0001", "뷰티 > 메이크업 > 립 > 틴트"]
    assert found.loc[1, ["category1", "path"]].isna().all()
