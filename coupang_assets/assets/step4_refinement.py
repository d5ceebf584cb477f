"""Step 4: daily events with refined categories, the merge decisions, and the dictionary for the database."""

from collections.abc import Mapping

import dagster as dg
import ibis.expr.types as ir
import pandas as pd

from coupang_assets.assets.evaluation_metadata import accepted_metadata
from coupang_assets.assets.monthly import MonthlyAssets
from coupang_assets.assets.sources import ACCEPTED, observe
from coupang_assets.datasets import CATE_DICTIONARY, CATEGORY_MERGE, DEFINE_DAILIES, RAW_DAILIES
from coupang_assets.pipeline import accepted_merges, refinement
from coupang_assets.storage.accepted_merges import accepted_up_to, accepted_version, adopt_marks
from coupang_assets.storage.disk import require_space
from coupang_assets.storage.layout import Layout
from coupang_assets.storage.made_from import InputVersions, note_input
from coupang_assets.storage.manifest import read_manifest
from coupang_assets.storage.metadata import table_metadata


def assets(monthly: MonthlyAssets) -> list[dg.AssetsDefinition]:
    """``category_merge``, ``cate_dictionary``, ``define_dailies``."""

    @monthly.asset(CATEGORY_MERGE, kinds=("pandas",), deps=(ACCEPTED,))
    def category_merge(
        context: dg.AssetExecutionContext,
        coupang_cate_all: pd.DataFrame,
        new_unique: pd.DataFrame,
        layout: dg.ResourceParam[Layout],
        input_versions: dg.ResourceParam[InputVersions],
    ) -> pd.DataFrame:
        month = context.partition_key
        adopt_marks(layout, month)
        accepted = accepted_up_to(layout, month)
        version = accepted_version(accepted)
        note_input(context, input_versions, ACCEPTED.to_user_string(), month, version)
        observe(context, ACCEPTED, version)
        merge = refinement.merge_categories(coupang_cate_all, new_unique)
        merge, passed_over = accepted_merges.apply_accepted(merge, accepted, month)
        reasons = merge.groupby("reason").agg(codes=("reason", "size"), rows=("count", "sum")).reset_index()
        context.add_output_metadata({"reasons": table_metadata(reasons)} | accepted_metadata(accepted, passed_over))
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
