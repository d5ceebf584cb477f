"""A fresh shop and impatient options for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from coupang_assets.crawling.options import CrawlOptions
from coupang_assets_tests.crawling.shop import Shop, serving

FAST = CrawlOptions(
    delay_s=0.0,
    autothrottle=False,
    backoff_s=0.05,
    timeout_s=1.0,
    retries=1,
    max_bytes=1_000_000,
    stop_after=1000,
    agreeing=1,
)


@pytest.fixture
def shop() -> Iterator[Shop]:
    with serving(Shop()) as serving_shop:
        yield serving_shop


@pytest.fixture
def options(shop: Shop) -> Callable[..., CrawlOptions]:
    """Options for the shop, with what the test wants different."""

    def make(**changes: Any) -> CrawlOptions:
        return replace(FAST, base_url=shop.base_url, **changes)

    return make


def candidates(*products: list[str]) -> pd.DataFrame:
    """One category for each list of products: 0001, 0002, …"""
    rows = [
        ("0001", "0010", "0100", f"{category:04d}", rank, product_id)
        for category, ids in enumerate(products, start=1)
        for rank, product_id in enumerate(ids, start=1)
    ]
    return pd.DataFrame(rows, columns=["category1", "category2", "category3", "category4", "rank", "product_id"])
