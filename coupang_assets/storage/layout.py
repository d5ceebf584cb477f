"""Where each dataset's files are: ``<root>/data/YYYY_MM/…``, and which earlier month is the base.

Belongs here: names of folders and files. Does not: their content.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from coupang_assets.datasets import COUPANG_CATE_ALL, CRAWL_JOURNAL, Dataset
from coupang_assets.errors import CoupangAssetsError
from coupang_assets.months import add_months, day_key, month_key, sampled_days
from coupang_assets.settings import Settings


@dataclass(frozen=True)
class Layout:
    """Paths below one root, for one set of settings."""

    settings: Settings

    @property
    def root(self) -> Path:
        return self.settings.root

    @property
    def products_folder(self) -> Path:
        """The folder of the datasets that are not monthly."""
        return self.root / "products"

    def month_folder(self, month: str) -> Path:
        """The month's folder as we write it."""
        return self.root / "data" / month

    def folder_on_disk(self, month: str) -> Path:
        """The month's folder as it is found: ours, or one written before us as ``yyyy-mm``."""
        ours = self.month_folder(month)
        before_us = ours.with_name(month.replace("_", "-"))
        return before_us if not ours.exists() and before_us.exists() else ours

    def require_our_folder(self, month: str) -> None:
        """See that the month may be worked on where it is.

        Raises:
            CoupangAssetsError: it is in a folder written before us, which a new folder would hide.
        """
        if (found := self.folder_on_disk(month)) != (ours := self.month_folder(month)):
            raise CoupangAssetsError(f"{month} is kept in {found}, written before us", f"rename it to {ours} first")

    def days(self, month: str) -> list[date]:
        """The days the month samples."""
        return sampled_days(month, self.settings.sampling)

    def file_names(self, dataset: Dataset, month: str, days: Sequence[str] | None = None) -> list[str]:
        """Files of a dataset relative to the month's folder; daily ones for ``days`` (YYYYMMDD)."""
        if "{day}" in dataset.paths[0]:
            keys = [day_key(day) for day in self.days(month)] if days is None else list(days)
            return [dataset.paths[0].format(day=day) for day in keys]
        return [path.format(month=month, cap=self.settings.training.cap) for path in dataset.paths]

    def months_with_dictionary(self) -> list[str]:
        """Months that have a ``coupang_cate_all.csv``, ascending, under either spelling of the folder."""
        data = self.root / "data"
        found = set()
        for file in data.glob(f"*/{COUPANG_CATE_ALL.paths[0]}"):
            try:
                found.add(month_key(file.parent.name))
            except CoupangAssetsError:
                continue
        return sorted(found)

    def journal_month(self, month: str) -> str | None:
        """The latest earlier month that has a crawl journal; each month's holds those before it."""
        found = [
            earlier
            for earlier in self.months_with_dictionary()
            if earlier < month and (self.folder_on_disk(earlier) / CRAWL_JOURNAL.paths[0]).exists()
        ]
        return found[-1] if found else None

    def base_month(self, month: str, wanted: str | None = None) -> str | None:
        """The base month (기준 월): ``wanted``, else the latest earlier month with a dictionary, else none.

        Raises:
            CoupangAssetsError: ``wanted`` is no earlier month or has no dictionary.
        """
        candidates = [m for m in self.months_with_dictionary() if m < month]
        if wanted is None:
            return candidates[-1] if candidates else None
        key = month_key(wanted)
        if key not in candidates:
            raise CoupangAssetsError(
                f"{key} cannot be the base month of {month}: it has no {COUPANG_CATE_ALL.paths[0]} before {month}",
                f"choose one of {', '.join(candidates) or 'none yet'}, or materialize {key} first",
            )
        return key

    def skipped_months(self, month: str, base: str | None) -> list[str]:
        """Months between the base month and ``month``."""
        skipped = []
        if base is not None:
            while (base := add_months(base, 1)) < month:
                skipped.append(base)
        return skipped
