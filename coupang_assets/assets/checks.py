"""Asset checks: what must hold of a month's datasets, seen in the UI and, where it blocks, before anything follows.

Belongs here: promises between datasets. Does not: a single file's schema, which is checked before it is written.
"""

import json
from pathlib import Path

import dagster as dg
import ibis.expr.types as ir
import pandas as pd

from coupang_assets.assets.crawl_metadata import disagreements
from coupang_assets.assets.monthly import MonthlyAssets
from coupang_assets.crawling.journal import iter_journal
from coupang_assets.crawling.outcomes import Outcome
from coupang_assets.crawling.summary import summarize
from coupang_assets.datasets import (
    CATE_DICTIONARY,
    CATEGORY_MERGE,
    CHAMPION,
    COUPANG_CATE_ALL,
    COUPANG_TRAIN,
    CRAWL_JOURNAL,
    DEFINE_DAILIES,
    RAW_DAILIES,
    RT_CATEGORY_INFO,
)
from coupang_assets.pipeline.categories import category_keys
from coupang_assets.pipeline.hive_rows import hive_rows
from coupang_assets.pipeline.names import naming_outcomes
from coupang_assets.pipeline.refinement import KEPT
from coupang_assets.pipeline.training_set import near_duplicate_key
from coupang_assets.settings import Settings
from coupang_assets.storage.layout import Layout
from coupang_assets.storage.locate import locate
from coupang_assets.storage.manifest import frame_version
from coupang_assets.storage.metadata import table_metadata

_FEW_CATEGORIES = 10


def checks(monthly: MonthlyAssets) -> list[dg.AssetChecksDefinition]:
    """All checks of the graph."""
    partitions = monthly.partitions

    @dg.asset_check(
        asset=COUPANG_CATE_ALL.name,
        blocking=True,
        partitions_def=partitions,
        additional_ins={"diff_data": dg.AssetIn(), "crawl_journal": dg.AssetIn()},
        description="Enough of the new categories got a name; a month with a poor dictionary stops here.",
    )
    def new_categories_named(
        coupang_cate_all: pd.DataFrame,
        diff_data: pd.DataFrame,
        crawl_journal: Path,
        settings: dg.ResourceParam[Settings],
    ) -> dg.AssetCheckResult:
        outcomes = naming_outcomes(diff_data, summarize(iter_journal(crawl_journal)))
        special = int(outcomes.get(Outcome.NO_BREADCRUMB, 0))
        asked = int(outcomes.sum() - outcomes.get("no_code", 0))
        new = coupang_cate_all[category_keys(coupang_cate_all).isin(category_keys(diff_data))]
        named = int(new["cate1_name"].notna().sum())
        share = named / (asked - special) if asked > special else 1.0
        special_share = special / asked if asked else 0.0
        pages_known = special_share <= settings.shop.maximum_special_share or asked < _FEW_CATEGORIES
        enough = share >= settings.shop.minimum_named_share
        return dg.AssetCheckResult(
            passed=enough and pages_known,
            description=f"{named} of {asked - special} new categories named ({share:.1%}), {special} special"
            + ("" if pages_known else "; so many pages without a breadcrumb: the shop's pages must have changed")
            + ("" if enough else "; those without an answer are asked for again by: run MONTH --select crawl_journal+"),
            metadata={
                "named share": round(share, 4),
                "threshold": settings.shop.minimum_named_share,
                "outcomes": table_metadata(outcomes.rename_axis("outcome").reset_index(name="categories")),
            },
        )

    @dg.asset_check(
        asset=CRAWL_JOURNAL.name,
        partitions_def=partitions,
        additional_ins={"diff_data": dg.AssetIn()},
        description="The products of a new category show the same names; where they do not, the majority's are taken.",
    )
    def products_agree_on_names(crawl_journal: Path, diff_data: pd.DataFrame) -> dg.AssetCheckResult:
        table = summarize(iter_journal(crawl_journal))
        new = table[category_keys(table).isin(category_keys(diff_data))]
        dissent = int(new["dissent"].notna().sum())
        compared = dissent + int((new["dissent"].isna() & (new["agreeing"] > 1)).sum())
        return dg.AssetCheckResult(
            passed=not dissent,
            severity=dg.AssetCheckSeverity.WARN,
            description=f"products disagree on {dissent} of the {compared} new categories that several were asked for",
            metadata={"disagreements": disagreements(new)},
        )

    @dg.asset_check(
        asset=COUPANG_CATE_ALL.name,
        blocking=True,
        partitions_def=partitions,
        additional_ins={"updated_unique": dg.AssetIn()},
        description="The dictionary and the baseline for next month hold the same categories.",
    )
    def agrees_with_baseline(coupang_cate_all: pd.DataFrame, updated_unique: pd.DataFrame) -> dg.AssetCheckResult:
        only_one = category_keys(coupang_cate_all).symmetric_difference(category_keys(updated_unique))
        return dg.AssetCheckResult(
            passed=only_one.empty,
            description=f"{len(only_one)} categories stand in only one of the two files",
            metadata={"examples": str([tuple(key) for key in only_one[:5]])},
        )

    @dg.asset_check(
        asset=CATEGORY_MERGE.name,
        blocking=True,
        partitions_def=partitions,
        description="Every row of the month is counted once, and every code goes to one that stays or to null.",
    )
    def every_merge_accounted_for(
        context: dg.AssetCheckExecutionContext, category_merge: pd.DataFrame, layout: dg.ResourceParam[Layout]
    ) -> dg.AssetCheckResult:
        raw_rows = sum(_rows_by_day(layout, RAW_DAILIES.name, context.partition_key).values())
        counted = int(category_merge["count"].sum())
        targets = category_merge["merged_category4"].dropna()
        kept = category_merge.loc[category_merge["reason"] == KEPT, "category4"]
        astray = sorted(set(targets) - set(kept))
        return dg.AssetCheckResult(
            passed=counted == raw_rows and not astray,
            description=f"{counted:,} rows accounted for of {raw_rows:,}; {len(astray)} codes went to one that is gone",
            metadata={"codes gone": str(astray[:10])},
        )

    @dg.asset_check(
        asset=CATE_DICTIONARY.name,
        blocking=True,
        partitions_def=partitions,
        description="One row a code and one row a path of names.",
    )
    def codes_and_paths_unique(cate_dictionary: pd.DataFrame) -> dg.AssetCheckResult:
        codes = int(cate_dictionary["lv4_code"].duplicated().sum())
        names = int(cate_dictionary[[f"lv{n}_name" for n in range(1, 5)]].duplicated().sum())
        return dg.AssetCheckResult(
            passed=not codes and not names,
            description=f"{len(cate_dictionary)} categories; {codes} doubled codes, {names} doubled paths",
        )

    @dg.asset_check(
        asset=DEFINE_DAILIES.name,
        blocking=True,
        partitions_def=partitions,
        description="Refined days have as many rows as raw days, day by day.",
    )
    def rows_as_in_raw(context: dg.AssetCheckExecutionContext, layout: dg.ResourceParam[Layout]) -> dg.AssetCheckResult:
        raw = _rows_by_day(layout, RAW_DAILIES.name, context.partition_key)
        refined = _rows_by_day(layout, DEFINE_DAILIES.name, context.partition_key)
        days = pd.DataFrame({"raw": pd.Series(raw), "define": pd.Series(refined)}).rename_axis("day").reset_index()
        differing = days[days["raw"] != days["define"]]
        return dg.AssetCheckResult(
            passed=differing.empty,
            description=f"{sum(raw.values()):,} rows, {sum(refined.values()):,} refined; {len(differing)} days differ",
            metadata={"days": table_metadata(days)},
        )

    @dg.asset_check(
        asset=RT_CATEGORY_INFO.name,
        partitions_def=partitions,
        additional_ins={"cate_dictionary": dg.AssetIn()},
        description="The Hive partition, read back, equals cate_dictionary.csv.",
    )
    def partition_equals_dictionary(
        rt_category_info_coupang: pd.DataFrame, cate_dictionary: pd.DataFrame
    ) -> dg.AssetCheckResult:
        same = frame_version(rt_category_info_coupang) == frame_version(hive_rows(cate_dictionary))
        return dg.AssetCheckResult(
            passed=same, description=f"{len(rt_category_info_coupang)} rows in Hive, {len(cate_dictionary)} in the file"
        )

    @dg.asset_check(
        asset=COUPANG_TRAIN.name,
        blocking=True,
        partitions_def=partitions,
        description="No product is in two splits, so the held-out products are unseen.",
    )
    def no_product_in_two_splits(coupang_train: ir.Table) -> dg.AssetCheckResult:
        splits = coupang_train.group_by("product_id").aggregate(splits=coupang_train.split.nunique())
        shared = splits.filter(splits.splits > 1)
        examples = shared.order_by("product_id").limit(5).execute()
        doubled = int(shared.count().execute())
        sizes = coupang_train.group_by("split").aggregate(rows=coupang_train.count()).order_by("split").execute()
        return dg.AssetCheckResult(
            passed=not doubled,
            description=f"{doubled} products in two splits",
            metadata={"examples": ", ".join(examples["product_id"]), "rows": table_metadata(sizes)},
        )

    @dg.asset_check(
        asset=COUPANG_TRAIN.name,
        blocking=True,
        partitions_def=partitions,
        description="No title has a near-duplicate in another split, so the held-out titles are unseen.",
    )
    def no_near_duplicate_in_two_splits(coupang_train: ir.Table) -> dg.AssetCheckResult:
        keyed = coupang_train.mutate(key=near_duplicate_key(coupang_train.ep_title))
        groups = keyed.group_by("key").aggregate(
            splits=keyed.split.nunique(), rows=keyed.count(), example=keyed.ep_title.min()
        )
        shared = groups.filter(groups.splits > 1)
        astray = int(shared.count().execute())
        return dg.AssetCheckResult(
            passed=not astray,
            description=f"{astray} groups of near-duplicate titles in two splits",
            metadata={
                "examples": ", ".join(shared.order_by("key").limit(5).execute()["example"]),
                "groups of near-duplicates": int(groups.filter(groups.rows > 1).count().execute()),
            },
        )

    @dg.asset_check(
        asset=CHAMPION.name,
        partitions_def=partitions,
        description="There is a champion, and it holds the requirements of the settings.",
    )
    def champion_holds_requirements(champion: Path) -> dg.AssetCheckResult:
        decided = json.loads(champion.read_text(encoding="utf-8"))
        unmet = {candidate["classifier"]: candidate["unmet"] for candidate in decided["candidates"]}
        of_champion = unmet.get(decided["champion"], [])
        return dg.AssetCheckResult(
            passed=decided["champion"] is not None and not of_champion,
            severity=dg.AssetCheckSeverity.WARN,
            description=f"{decided['champion'] or 'no champion'}: {'; '.join(of_champion) or decided['reason']}",
            metadata={name: "; ".join(of_candidate) or "holds all" for name, of_candidate in unmet.items()},
        )

    return [
        products_agree_on_names,
        new_categories_named,
        agrees_with_baseline,
        every_merge_accounted_for,
        codes_and_paths_unique,
        rows_as_in_raw,
        partition_equals_dictionary,
        no_product_in_two_splits,
        no_near_duplicate_in_two_splits,
        champion_holds_requirements,
    ]


def _rows_by_day(layout: Layout, name: str, month: str) -> dict[str, int]:
    from coupang_assets.datasets import DATASETS

    manifest = locate(layout, DATASETS[name], month).manifest
    return {Path(record.path).stem: record.rows or 0 for record in manifest.files} if manifest else {}
