"""Step 3: names of the new categories from the shop's product pages, and the month's category dictionary."""

import shutil
from pathlib import Path

import dagster as dg
import ibis.expr.types as ir
import pandas as pd

from coupang_assets.assets.monthly import MonthlyAssets, from_base_month
from coupang_assets.assets.sources import SHOP
from coupang_assets.crawling import journal, parsers, runner, summary
from coupang_assets.crawling.outcomes import Outcome
from coupang_assets.crawling.shop import Shop
from coupang_assets.crawling.summary import summarize
from coupang_assets.datasets import COUPANG_CATE_ALL, CRAWL_CANDIDATES, CRAWL_JOURNAL
from coupang_assets.files import atomic_path
from coupang_assets.pipeline import categories, names
from coupang_assets.settings import Settings
from coupang_assets.storage.layout import Layout
from coupang_assets.storage.metadata import table_metadata
from coupang_assets.storage.spec_files import RECORDED


def assets(monthly: MonthlyAssets) -> list[dg.AssetsDefinition]:
    """``crawl_candidates``, ``crawl_journal``, ``coupang_cate_all``."""

    @monthly.asset(CRAWL_CANDIDATES, code=(categories,), kinds=("duckdb",))
    def crawl_candidates(raw_dailies: ir.Table, settings: dg.ResourceParam[Settings]) -> pd.DataFrame:
        return categories.crawl_candidates(raw_dailies, settings.shop.candidates).execute()

    @monthly.asset(
        CRAWL_JOURNAL,
        code=(names, parsers, summary),
        kinds=("scrapy",),
        ins={"earlier": from_base_month(CRAWL_JOURNAL, RECORDED)},
        deps=(SHOP,),
    )
    def crawl_journal(
        context: dg.AssetExecutionContext,
        crawl_candidates: pd.DataFrame,
        diff_data: pd.DataFrame,
        earlier: Path | None,
        layout: dg.ResourceParam[Layout],
        shop: dg.ResourceParam[Shop],
    ) -> Path:
        path = layout.month_folder(context.partition_key) / CRAWL_JOURNAL.paths[0]
        if earlier is not None and not path.exists():
            with atomic_path(path) as temporary:
                shutil.copyfile(earlier, temporary)
        known = summarize(journal.iter_journal(path))
        unresolved = known[known["outcome"] != Outcome.NAMED]
        asked = names.to_ask(crawl_candidates, diff_data, unresolved)
        with shop.open(context.partition_key) as options:
            crawled = runner.crawl(asked, path, options, lambda progress: context.log.info(_progress_line(progress)))
        outcomes = (
            crawled.table["outcome"].astype(str).value_counts().rename_axis("outcome").reset_index(name="categories")
        )
        context.add_output_metadata(
            {
                "categories asked": len(crawled.table),
                "outcomes": table_metadata(outcomes.sort_values("outcome")),
                "still unnamed": table_metadata(_unnamed(crawled.table)),
                "requests": crawled.progress.requests,
                "requests per second": round(crawled.progress.requests_per_s, 1),
                "seconds": round(crawled.progress.elapsed_s, 1),
                "stopped early": crawled.stopped or "no",
            }
        )
        return path

    @monthly.asset(
        COUPANG_CATE_ALL,
        code=(names, summary),
        kinds=("pandas",),
        ins={"base": from_base_month(COUPANG_CATE_ALL, RECORDED)},
    )
    def coupang_cate_all(
        context: dg.AssetExecutionContext, diff_data: pd.DataFrame, crawl_journal: Path, base: pd.DataFrame | None
    ) -> pd.DataFrame:
        known = summarize(journal.iter_journal(crawl_journal))
        rows = names.extend_dictionary(base, diff_data, known[known["outcome"] == Outcome.NAMED])
        context.add_output_metadata(
            {
                "categories of the base month": 0 if base is None else len(base),
                "new categories": len(diff_data),
                "without a name": int(rows["cate1_name"].isna().sum()),
            }
        )
        return rows

    return [crawl_candidates, crawl_journal, coupang_cate_all]


def _progress_line(progress: runner.CrawlProgress) -> str:
    outcomes = ", ".join(f"{count} {name}" for name, count in progress.outcomes.items())
    return (
        f"{progress.categories_done} of {progress.categories_total} categories, "
        f"{progress.requests} requests, {progress.requests_per_s:.0f} a second; {outcomes or 'no answer yet'}"
    )


def _unnamed(table: pd.DataFrame) -> pd.DataFrame:
    unnamed = table[table["outcome"] != Outcome.NAMED]
    return unnamed[["category1", "category2", "category3", "category4", "outcome", "reason"]].head(50)
