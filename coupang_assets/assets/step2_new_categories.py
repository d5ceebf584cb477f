"""Step 2: the month's categories, and which of them the base month does not know.

``updated_unique`` stands here, before the crawl, and not behind ``coupang_cate_all``: it is known without any name,
and Dagster refuses a circle of assets even where it goes through an earlier month. A check holds the two equal.
"""

import dagster as dg
import ibis.expr.types as ir
import pandas as pd

from coupang_assets.assets.monthly import MonthlyAssets, from_base_month
from coupang_assets.datasets import DIFF_DATA, NEW_UNIQUE, UPDATED_UNIQUE
from coupang_assets.engines import Engine
from coupang_assets.pipeline import categories
from coupang_assets.storage.progress import watched
from coupang_assets.storage.spec_files import CHOSEN, RECORDED


def assets(monthly: MonthlyAssets) -> list[dg.AssetsDefinition]:
    """``new_unique``, ``updated_unique``, ``diff_data``."""

    @monthly.asset(NEW_UNIQUE, kinds=(monthly.settings.engine.kind,))
    def new_unique(
        context: dg.AssetExecutionContext, raw_dailies: ir.Table, engine: dg.ResourceParam[Engine]
    ) -> pd.DataFrame:
        with watched(engine.percent_done, context.log.info):
            return categories.unique_categories(raw_dailies).execute()

    @monthly.asset(UPDATED_UNIQUE, kinds=("pandas",), ins={"base": from_base_month(UPDATED_UNIQUE, CHOSEN)})
    def updated_unique(new_unique: pd.DataFrame, base: pd.DataFrame | None) -> pd.DataFrame:
        return categories.update_unique(new_unique, base)

    @monthly.asset(DIFF_DATA, kinds=("pandas",), ins={"base": from_base_month(UPDATED_UNIQUE, RECORDED)})
    def diff_data(new_unique: pd.DataFrame, base: pd.DataFrame | None) -> pd.DataFrame:
        return categories.new_categories(new_unique, base)

    return [new_unique, updated_unique, diff_data]
