"""The two sources: the Hive table of events, and the shop whose pages name categories."""

import hashlib

import dagster as dg

from coupang_assets.assets.monthly import MonthlyAssets
from coupang_assets.months import day_key
from coupang_assets.storage.layout import Layout
from coupang_assets.warehouse import Warehouse

EVENTS = dg.AssetKey("retargeting_event_storage_orc")
SHOP = dg.AssetKey("coupang_shop")


def month_fingerprint(warehouse: Warehouse, layout: Layout, month: str) -> str:
    """A hash of the month's sampled day partitions as they are now."""
    days = warehouse.event_days([day_key(day) for day in layout.days(month)])
    lines = [f"{day} {warehouse.fingerprint(day)}" for day in days]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32]


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
    return [retargeting_event_storage_orc, shop]
