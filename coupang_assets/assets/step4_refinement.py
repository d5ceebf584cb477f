"""Step 4: daily events with refined categories, the merge decisions, and the dictionary for the database."""

from collections.abc import Mapping

import dagster as dg
import ibis.expr.types as ir
import pandas as pd

from coupang_assets.assets.monthly import MonthlyAssets
from coupang_assets.datasets import CATE_DICTIONARY, CATEGORY_MERGE, DEFINE_DAILIES, RAW_DAILIES
from coupang_assets.pipeline import refinement
from coupang_assets.storage.disk import require_space
from coupang_assets.storage.layout import Layout
from coupang_assets.storage.manifest import read_manifest
from coupang_assets.storage.metadata import table_metadata


def assets(monthly: MonthlyAssets) -> list[dg.AssetsDefinition]:
    """``category_merge``, ``cate_dictionary``, ``define_dailies``."""

    @monthly.asset(CATEGORY_MERGE, kinds=("pandas",))
    def category_merge(
        context: dg.AssetExecutionContext, coupang_cate_all: pd.DataFrame, new_unique: pd.DataFrame
    ) -> pd.DataFrame:
        merge = refinement.merge_categories(coupang_cate_all, new_unique)
        reasons = merge.groupby("reason").agg(codes=("reason", "size"), rows=("count", "sum")).reset_index()
        context.add_output_metadata({"reasons": table_metadata(reasons)})
        return merge

    @monthly.asset(CATE_DICTIONARY, kinds=("pandas",))
    def cate_dictionary(
        coupang_cate_all: pd.DataFrame, new_unique: pd.DataFrame, category_merge: pd.DataFrame
    ) -> pd.DataFrame:
        return refinement.dictionary(coupang_cate_all, new_unique, category_merge)

    @monthly.asset(DEFINE_DAILIES, kinds=(monthly.settings.engine.kind,))
    def define_dailies(
        context: dg.AssetExecutionContext,
        raw_dailies: Mapping[str, ir.Table],
        category_merge: pd.DataFrame,
        cate_dictionary: pd.DataFrame,
        layout: dg.ResourceParam[Layout],
    ) -> Mapping[str, ir.Table]:
        if (raw := read_manifest(layout.folder_on_disk(context.partition_key), RAW_DAILIES.name)) is not None:
            require_space(layout.root, raw.total_bytes, f"refining {raw.total_bytes / 1e9:,.1f} GB of daily files")
        return {
            day: refinement.refine_events(table, category_merge, cate_dictionary) for day, table in raw_dailies.items()
        }

    return [category_merge, cate_dictionary, define_dailies]
