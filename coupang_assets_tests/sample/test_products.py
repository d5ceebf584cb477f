"""The made-up product table: the report's shape, the same rows every time."""

import pandas as pd
import pyarrow as pa
import pytest

from coupang_assets.sample.products import CATEGORIES, PRODUCT_COLUMNS, product_batches
from coupang_assets.sample.world import World


@pytest.fixture(scope="module")
def frame(world: World) -> pd.DataFrame:
    return table(world, 21_000).to_pandas()


def table(world: World, rows: int, seed: int = 300) -> pa.Table:
    return pa.Table.from_batches(product_batches(world, rows, seed))


def test_columns_and_categories_are_as_many_as_in_the_report(frame: pd.DataFrame) -> None:
    assert list(frame) == list(PRODUCT_COLUMNS)
    assert len(frame.columns) == 20
    assert frame["category"].nunique() == CATEGORIES == 36
    assert frame["category"].str.fullmatch(r"0[0-3]\d_.+").all()
    assert {"001", "036"} <= set(frame["category"].str[:3])


def test_rows_are_as_many_as_asked_and_no_two_are_the_same_product(frame: pd.DataFrame) -> None:
    assert frame["id"].tolist() == list(range(1, 21_001))
    assert frame["product_code"].is_unique
    assert not frame["name"].isna().any()


def test_a_category_belongs_to_one_top_category(frame: pd.DataFrame) -> None:
    assert (frame.groupby("category")["top_category"].nunique() == 1).all()


def test_makers_are_missing_here_and_there_and_names_begin_with_them(frame: pd.DataFrame) -> None:
    assert 0.05 < frame["manufacturer"].isna().mean() < 0.5
    known = frame[frame["manufacturer"].notna()].head(500)
    assert all(name.startswith(maker) for name, maker in zip(known["name"], known["manufacturer"], strict=True))


def test_a_product_is_changed_after_it_was_made_and_crawled_after_that(frame: pd.DataFrame) -> None:
    assert (frame["created_at"] <= frame["modified_at"]).all()
    assert (frame["modified_at"] < frame["crawled_at"]).all()


def test_the_same_seed_gives_the_same_rows_and_a_longer_table_begins_with_them(world: World) -> None:
    assert table(world, 300).equals(table(world, 300))
    assert table(world, 300)["name"].to_pylist() == table(world, 700)["name"].to_pylist()[:300]
    assert not table(world, 300).equals(table(world, 300, seed=7))
