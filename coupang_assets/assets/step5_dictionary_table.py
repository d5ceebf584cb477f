"""Step 5: the dictionary into its Hive table."""

import dagster as dg
import pandas as pd

from coupang_assets.assets.monthly import MonthlyAssets
from coupang_assets.datasets import RT_CATEGORY_INFO
from coupang_assets.pipeline import hive_rows


def assets(monthly: MonthlyAssets) -> list[dg.AssetsDefinition]:
    """``rt_category_info_coupang``."""

    @monthly.asset(
        RT_CATEGORY_INFO, settings=("dictionary", "warehouse.kind", "warehouse.database"), kinds=("parquet",)
    )
    def rt_category_info_coupang(cate_dictionary: pd.DataFrame) -> pd.DataFrame:
        return hive_rows.hive_rows(cate_dictionary)

    return [rt_category_info_coupang]
