"""Step 3: names of the new categories from the shop's product pages, and the month's category dictionary."""

from pathlib import Path

import dagster as dg
import ibis.expr.types as ir
import pandas as pd
from pydantic import Field

from coupang_assets.assets.crawl_metadata import names_metadata, progress_line, recheck_metadata, request_metadata
from coupang_assets.assets.monthly import MonthlyAssets, from_base_month
from coupang_assets.assets.sources import SHOP
from coupang_assets.crawling import journal, parsers, runner
from coupang_assets.crawling import recheck as rechecking
from coupang_assets.crawling.candidates import category_key_list
from coupang_assets.crawling.offline import take_offline
from coupang_assets.crawling.outcomes import Outcome
from coupang_assets.crawling.shop import Shop
from coupang_assets.crawling.summary import summarize, summary_version
from coupang_assets.datasets import COUPANG_CATE_ALL, CRAWL_CANDIDATES, CRAWL_JOURNAL, RECHECK
from coupang_assets.engines import Engine
from coupang_assets.errors import CoupangAssetsError
from coupang_assets.months import base_month_mapping
from coupang_assets.pipeline import categories, names
from coupang_assets.pipeline import recheck as recheck_tables
from coupang_assets.settings import Settings
from coupang_assets.storage.layout import Layout
from coupang_assets.storage.made_from import ANSWERED, InputVersions, note_input
from coupang_assets.storage.progress import watched
from coupang_assets.storage.spec_files import RECORDED, AppendedFile
from coupang_assets.storage.versions import record_journal, version_on_disk

_SHOWN_CODES = 5


class NamesFrom(dg.Config):
    """Run configuration of ``crawl_journal``."""

    offline: str | None = Field(
        default=None,
        description="take names from this CSV, saved page or folder of them instead of asking the shop; "
        "empty: what COUPANG_SHOP__OFFLINE says",
    )


class RecheckConfig(dg.Config):
    """Run configuration of ``recheck``."""

    share: float = Field(default=0.05, gt=0, le=1, description="share of the known categories that is asked again")
    seed: int = Field(default=0, description="another one chooses other categories")
    take_over: bool = Field(
        default=False, description="take the new names of renamed categories over into the month's crawl journal"
    )


def assets(monthly: MonthlyAssets) -> list[dg.AssetsDefinition]:
    """``crawl_candidates``, ``crawl_journal``, ``coupang_cate_all``, ``recheck``."""

    @monthly.asset(CRAWL_CANDIDATES, settings=("shop.candidates",), kinds=(monthly.settings.engine.kind,))
    def crawl_candidates(
        context: dg.AssetExecutionContext,
        raw_dailies: ir.Table,
        settings: dg.ResourceParam[Settings],
        engine: dg.ResourceParam[Engine],
    ) -> pd.DataFrame:
        with watched(engine.percent_done, context.log.info):
            return categories.crawl_candidates(raw_dailies, settings.shop.candidates).execute()

    @monthly.asset(
        CRAWL_JOURNAL,
        # The shop's pages are read by a process of its own. Where names come from is no setting here: like a source,
        # it may change without what it said being wrong.
        code=(parsers,),
        settings=("shop.agreeing",),
        kinds=("scrapy",),
        deps=(SHOP, dg.AssetDep(CRAWL_JOURNAL.name, partition_mapping=base_month_mapping())),
    )
    def crawl_journal(
        context: dg.AssetExecutionContext,
        config: NamesFrom,
        crawl_candidates: pd.DataFrame,
        diff_data: pd.DataFrame,
        layout: dg.ResourceParam[Layout],
        settings: dg.ResourceParam[Settings],
        shop: dg.ResourceParam[Shop],
        input_versions: dg.ResourceParam[InputVersions],
    ) -> AppendedFile:
        month = context.partition_key
        path = layout.month_folder(month) / CRAWL_JOURNAL.paths[0]
        before = layout.journal_month(month)
        earlier = [] if before is None else [layout.folder_on_disk(before) / CRAWL_JOURNAL.paths[0]]
        with journal.JournalWriter.open(path) as writer:
            for one in earlier:
                writer.absorb(one)
        if before is not None:
            note_input(
                context, input_versions, CRAWL_JOURNAL.name, before, version_on_disk(layout, CRAWL_JOURNAL, before)
            )
        known = summarize(journal.iter_journal(path))
        named_before = summarize(attempt for one in earlier for attempt in journal.iter_journal(one))
        named_before = named_before[named_before["outcome"] == Outcome.NAMED]
        wanted = names.unnamed_categories(diff_data, known[known["outcome"] != Outcome.NAMED])
        asked = names.to_ask(crawl_candidates, names.without(wanted, named_before))
        keys = category_key_list(wanted)
        offline = Path(config.offline) if config.offline else settings.shop.offline
        answered = ANSWERED
        if offline is not None:
            taken = take_offline(offline, keys, asked, path)
            named = categories.category_keys(known[known["outcome"] == Outcome.NAMED])
            newly_named = categories.category_keys(diff_data).isin(named)
            if keys and taken.unused == taken.read and not newly_named.any():
                raise CoupangAssetsError(
                    f"{offline} names none of the {len(keys):,} categories that need a name, such as category4 "
                    f"{', '.join(str(key[3]) for key in keys[:_SHOWN_CODES])}",
                    "give a list with the category4 of the events, or no list: the shop is then asked",
                )
            table, metadata = taken.table, {
                "names from": str(offline), "rows and pages read": taken.read, "of no use": taken.unused,
                "answers taken": taken.taken,
            }  # fmt: skip
        else:
            with shop.open(month) as options:
                crawled = runner.crawl(asked, path, options, lambda state: context.log.info(progress_line(state)))
            if crawled.stopped:
                answered = f"stopped early: {crawled.stopped}"
                context.log.warning(f"the crawl stopped early ({crawled.stopped}); run it again to go on from there")
            table = names.explain_not_asked(summarize(journal.iter_journal(path), keys), asked)
            metadata = {"names from": shop.describe(), **request_metadata(crawled)}
        note_input(context, input_versions, SHOP.to_user_string(), month, answered)
        context.add_output_metadata({**metadata, **names_metadata(table)})
        return AppendedFile(path, summary_version(summarize(journal.iter_journal(path))))

    @monthly.asset(
        COUPANG_CATE_ALL,
        kinds=("pandas",),
        ins={"base": from_base_month(COUPANG_CATE_ALL, RECORDED)},
    )
    def coupang_cate_all(
        context: dg.AssetExecutionContext, diff_data: pd.DataFrame, crawl_journal: Path, base: pd.DataFrame | None
    ) -> pd.DataFrame:
        known = summarize(journal.iter_journal(crawl_journal))
        named = known[known["outcome"] == Outcome.NAMED]
        renamed = named[named["recheck_month"] == context.partition_key]
        rows = names.extend_dictionary(base, diff_data, named, renamed)
        context.add_output_metadata(
            {
                "categories of the base month": 0 if base is None else len(base),
                "new categories": len(diff_data),
                "names taken over from a re-check": len(renamed),
                "without a name": int(rows["cate1_name"].isna().sum()),
            }
        )
        return rows

    @monthly.asset(RECHECK, code=(parsers,), kinds=("scrapy",), deps=(SHOP,))
    def recheck(
        context: dg.AssetExecutionContext,
        config: RecheckConfig,
        coupang_cate_all: pd.DataFrame,
        crawl_candidates: pd.DataFrame,
        crawl_journal: Path,
        layout: dg.ResourceParam[Layout],
        settings: dg.ResourceParam[Settings],
        shop: dg.ResourceParam[Shop],
    ) -> pd.DataFrame:
        month = context.partition_key
        sampled = recheck_tables.sample_known(coupang_cate_all, config.share, config.seed)
        named_by = summarize(journal.iter_journal(crawl_journal))
        products = recheck_tables.products_to_ask(sampled, crawl_candidates, named_by, settings.shop.candidates)
        own = rechecking.unfinished_journal(layout.month_folder(month) / "crawl" / "rechecks")
        with shop.open(month) as options:
            crawled = runner.crawl(products, own, options, lambda state: context.log.info(progress_line(state)))
        found = recheck_tables.findings(sampled, summarize(journal.iter_journal(own), category_key_list(products)))
        if crawled.stopped is None:
            own = rechecking.finish(own)
        taken = 0
        if config.take_over:
            renamed = category_key_list(found[found["finding"] == recheck_tables.RENAMED])
            taken = rechecking.take_over(own, renamed, crawl_journal, month)
            _record_journal(context, layout, crawl_journal)
        context.add_output_metadata(
            {
                "names from": shop.describe(),
                **request_metadata(crawled),
                **recheck_metadata(found, known=int(coupang_cate_all["cate1_name"].notna().sum())),
                "answers taken over": taken,
                "journal": dg.MetadataValue.path(own),
            }
        )
        return found

    return [crawl_candidates, crawl_journal, coupang_cate_all, recheck]


def _record_journal(context: dg.AssetExecutionContext, layout: Layout, path: Path) -> None:
    """Record that the month's journal says something else now, so that what follows from it is stale."""
    version = record_journal(layout, context.partition_key, context.run.run_id)
    key = dg.AssetKey(CRAWL_JOURNAL.name)
    known = context.instance.fetch_materializations(
        dg.AssetRecordsFilter(key, asset_partitions=[context.partition_key]), limit=1
    ).records
    latest = known[0].asset_materialization if known else None
    context.log_event(
        dg.AssetMaterialization(
            key,
            partition=context.partition_key,
            description="Names of a re-check were taken over.",
            metadata={"path": dg.MetadataValue.path(path), "content hash": version},
            # Code and inputs are those it was made from before.
            tags={**((latest.tags or {}) if latest else {}), "dagster/data_version": version},
        )
    )
