"""Hive rows: the dictionary as the table takes it."""

import pandas as pd

from coupang_assets.datasets import CATE_DICTIONARY
from coupang_assets.pipeline.hive_rows import hive_rows

COLUMNS = [f"lv{n}_{kind}" for kind in ("code", "name") for n in range(1, 5)]


def test_codes_become_nullable_ints_and_names_stay() -> None:
    dictionary = pd.DataFrame(
        [
            ("0001", None, "0003", "999999999", "식품", None, "사과", None),
            ("0001", "0012", "0003", "0004", "식품", "과일", "사과", "부사"),
        ],
        columns=COLUMNS,
    )[list(CATE_DICTIONARY.column_names)]
    rows = hive_rows(dictionary)
    assert list(rows.columns) == COLUMNS
    assert [str(dtype) for dtype in rows.dtypes[:4]] == ["Int32"] * 4
    assert rows["lv4_code"].tolist() == [4, 999_999_999]
    assert rows["lv2_code"].isna().tolist() == [False, True]
    assert rows["lv4_name"].tolist() == ["부사", None]


def test_an_empty_dictionary_has_the_same_types() -> None:
    rows = hive_rows(pd.DataFrame(columns=COLUMNS, dtype=object))
    assert [str(dtype) for dtype in rows.dtypes[:4]] == ["Int32"] * 4
    assert rows.empty
