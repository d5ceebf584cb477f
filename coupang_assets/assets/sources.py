"""The sources: the Hive table of events, the shop whose pages name categories, and what a person has accepted."""

import hashlib

import dagster as dg

from coupang_assets.assets.monthly import MonthlyAssets
from coupang_assets.datasets import ACCEPTED_MERGES, TAXONOMY_PROPOSALS
from coupang_assets.months import day_key
from coupang_assets.storage.accepted_merges import accepted_up_to, accepted_version
from coupang_assets.storage.layout import Layout
from coupang_assets.warehouse import Warehouse

EVENTS = dg.AssetKey("retargeting_event_storage_orc")
SHOP = dg.AssetKey("coupang_shop")
ACCEPTED = dg.AssetKey(ACCEPTED_MERGES.name)
SOURCES = (EVENTS, SHOP, ACCEPTED)


def month_fingerprint(warehouse: Warehouse, layout: Layout, month: str) -> str:
    """A hash of the month's sampled day partitions as they are now."""
    days = warehouse.event_days([day_key(day) for day in layout.days(month)])
    lines = [f"{day} {fingerprint}" for day, fingerprint in sorted(warehouse.fingerprints(days).items())]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32]


def accepted_month_version(layout: Layout, month: str) -> str:
    """A hash of what a person has accepted for a month."""
    return accepted_version(accepted_up_to(layout, month))


def observe(context: dg.AssetExecutionContext, source: dg.AssetKey, version: str) -> None:
    """Record what a source held when it was read, so that the month is stale only when that changes."""
    context.log_event(observation(source, context.partition_key, version))
    # Dagster looked its inputs' versions up when the step began, before this observation.
    context.get_step_execution_context().wipe_input_asset_version_info(source)


def observation(source: dg.AssetKey, month: str, version: str) -> dg.AssetObservation:
    """That a source has a version for a month."""
    return dg.AssetObservation(source, partition=month, tags={"dagster/data_version": version})


def assets(monthly: MonthlyAssets) -> list[dg.AssetsDefinition | dg.SourceAsset | dg.AssetSpec]:
    """The sources."""

    @dg.observable_source_asset(
        key=EVENTS,
        group_name="sources",
        description="Hive table of advertising events, rt_cd 300 is Coupang; observed by a hash of the sampled days.",
        partitions_def=monthly.partitions,
        tags={"dagster/kind/hive": "", "dagster/kind/orc": ""},
    )
    def retargeting_event_storage_orc(
        context: dg.OpExecutionContext, warehouse: dg.ResourceParam[Warehouse], layout: dg.ResourceParam[Layout]
    ) -> dg.DataVersionsByPartition:
        months = context.partition_keys if context.has_partition_key else []
        return dg.DataVersionsByPartition({month: month_fingerprint(warehouse, layout, month) for month in months})

    shop = dg.AssetSpec(
        SHOP,
        group_name="sources",
        partitions_def=monthly.partitions,
        owners=monthly.settings.owners,
        description="Product pages, whose breadcrumb names a category: "
        + (str(monthly.settings.shop.base_url) if monthly.settings.shop.base_url else "the sample's loopback shop."),
        kinds={"html"},
    )

    @dg.observable_source_asset(
        key=ACCEPTED,
        group_name="sources",
        description=f"{ACCEPTED_MERGES.description} Taken from {TAXONOMY_PROPOSALS.paths[0]} by a person.",
        partitions_def=monthly.partitions,
        tags={"dagster/kind/csv": ""},
    )
    def accepted_merges(context: dg.OpExecutionContext, layout: dg.ResourceParam[Layout]) -> dg.DataVersionsByPartition:
        months = context.partition_keys if context.has_partition_key else []
        return dg.DataVersionsByPartition({month: accepted_version(accepted_up_to(layout, month)) for month in months})

    return [retargeting_event_storage_orc, shop, accepted_merges]
