"""The base month (기준 월) of a run: chosen once, then the same for every dataset of the month.

``updated_unique`` chooses it; ``diff_data``, the crawl and ``coupang_cate_all`` take the one it recorded, so that a
month is never made from two bases.
"""

from dagster import ConfigurableResource
from pydantic import Field

from coupang_assets.datasets import UPDATED_UNIQUE
from coupang_assets.errors import CoupangAssetsError
from coupang_assets.months import month_key
from coupang_assets.storage.layout import Layout
from coupang_assets.storage.manifest import read_manifest


class BaseMonth(ConfigurableResource):
    """Run configuration: another base month than the latest earlier one that has a dictionary."""

    month: str | None = Field(
        default=None,
        description="base month as YYYY_MM; empty: the latest earlier work month that has a dictionary",
    )

    def choose(self, layout: Layout, month: str) -> str | None:
        """The base month for ``updated_unique`` of ``month``."""
        return layout.base_month(month, self.month or None)

    def recorded(self, layout: Layout, month: str) -> str | None:
        """The base month that ``updated_unique`` of ``month`` was made from.

        Raises:
            CoupangAssetsError: this run asks for another one.
        """
        manifest = read_manifest(layout.folder_on_disk(month), UPDATED_UNIQUE.name)
        if manifest is None or (manifest.base_month is None and manifest.inputs is None):
            # Made before us: what it was made from is not known.
            return self.choose(layout, month)
        if self.month and month_key(self.month) != manifest.base_month:
            raise CoupangAssetsError(
                f"base month {self.month} was asked for, but {month}'s updated_unique was made from "
                f"{manifest.base_month or 'no base month'}",
                "select updated_unique and what follows from it in the same run",
            )
        return manifest.base_month
