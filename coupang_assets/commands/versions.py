"""What the commands about versions share: what a person may call a dataset, and how a version is shown."""

import json
from datetime import datetime
from typing import Any

from rich.console import Console

from coupang_assets.datasets import DATASETS, Dataset
from coupang_assets.errors import CoupangAssetsError
from coupang_assets.months import SEOUL, work_month
from coupang_assets.settings import Settings
from coupang_assets.storage.history import History
from coupang_assets.storage.layout import Layout
from coupang_assets.storage.manifest import Manifest

_SHOWN = 12


def open_history(settings: Settings, month: str) -> tuple[History, str]:
    """The history below the root, and the month's key.

    Raises:
        CoupangAssetsError: no month that may be worked on.
    """
    return History(Layout(settings)), work_month(month, settings.first_month)


def dataset_named(name: str) -> Dataset:
    """A dataset by its name.

    Raises:
        CoupangAssetsError: there is none.
    """
    if name not in DATASETS:
        raise CoupangAssetsError(f"there is no dataset '{name}'", f"datasets are {', '.join(DATASETS)}")
    return DATASETS[name]


def short(data_version: str) -> str:
    """As much of a data version as is shown."""
    return data_version[:_SHOWN]


def moment(created: str | None) -> str:
    """When a version was made, in Seoul."""
    if created is None:
        return "not known"
    return datetime.fromisoformat(created).astimezone(SEOUL).strftime("%Y-%m-%d %H:%M")


def size(count: int) -> str:
    """Bytes for people."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024 or unit == "GiB":
            break
        amount /= 1024
    return f"{amount:,.0f} B" if unit == "B" else f"{amount:,.1f} {unit}"


def made_how(manifest: Manifest) -> str:
    """How a version came to be, for people."""
    return "edited by hand" if manifest.origin == "edited" else manifest.origin


def print_json(value: Any, console: Console) -> None:
    """For machines: nothing is wrapped, coloured or escaped."""
    console.out(json.dumps(value, ensure_ascii=False, indent=1), highlight=False)
