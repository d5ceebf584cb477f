"""Spec step 5: dictionary rows as the Hive table takes them."""

import pandas as pd

from coupang_assets.datasets import RT_CATEGORY_INFO


def hive_rows(dictionary: pd.DataFrame) -> pd.DataFrame:
    """``cate_dictionary`` with codes as nullable 32-bit integers, in the table's column order, sorted by lv4_code."""
    types = {column.name: "Int32" if column.type == "int32" else object for column in RT_CATEGORY_INFO.columns}
    rows = dictionary[list(RT_CATEGORY_INFO.column_names)].copy()
    for name, dtype in types.items():
        if dtype == "Int32":
            rows[name] = pd.to_numeric(rows[name]).astype("Int64").astype("Int32")
    return rows.sort_values("lv4_code").reset_index(drop=True)
