"""``coupang-assets history``: every version the datasets of a month have had."""

from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from coupang_assets.commands.versions import dataset_named, made_how, moment, open_history, print_json, short, size
from coupang_assets.datasets import DATASETS
from coupang_assets.settings import Settings
from coupang_assets.storage.history import History
from coupang_assets.storage.lookup import current_version
from coupang_assets.storage.version_log import Version, same_version


def show_history(settings: Settings, month: str, dataset: str | None, as_json: bool, console: Console) -> None:
    """Print the versions of a month's datasets, the oldest first.

    Raises:
        CoupangAssetsError: the month or dataset does not hold, or a log is damaged.
    """
    history, key = open_history(settings, month)
    names = [dataset_named(dataset).name] if dataset else list(DATASETS)
    rows = [row for name in names for row in _versions(history, key, name)]
    if as_json:
        print_json([_as_json(history, version, current) for version, current in rows], console)
    elif rows:
        console.print(_table(history, rows))
        console.print("Compare two: coupang-assets diff MONTH A B. Bring one back: coupang-assets restore MONTH …")
    else:
        console.print(f"{dataset or 'Nothing'} of {key} has a history. Make it with: coupang-assets run {key}")


def _versions(history: History, month: str, dataset: str) -> list[tuple[Version, bool]]:
    current = current_version(history, month, dataset)
    versions = history.versions(month, dataset)
    there = [v.number for v in versions if current is not None and same_version(v.manifest, current)][-1:]
    return [(version, version.number in there) for version in versions]


def _table(history: History, rows: list[tuple[Version, bool]]) -> Table:
    table = Table(title="Versions", title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1))
    table.add_column("dataset and version", no_wrap=True)
    table.add_column("made (Seoul)", no_wrap=True)
    table.add_column("rows", justify="right", no_wrap=True)
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("how")
    shown = ""
    for version, current in rows:
        manifest = version.manifest
        if manifest.dataset != shown:
            shown = manifest.dataset
            table.add_row(Text(shown, "bold"))
        state = ", current" if current else "" if history.is_kept(manifest) else ", not kept"
        table.add_row(
            f"  @{version.number} {short(manifest.data_version)}",
            moment(manifest.created),
            "" if manifest.rows is None else f"{manifest.rows:,}",
            size(manifest.total_bytes),
            Text(made_how(manifest) + state, "green" if current else ""),
        )
    return table


def _as_json(history: History, version: Version, current: bool) -> dict[str, Any]:
    kept = history.is_kept(version.manifest)
    return {"number": version.number, "current": current, "kept": kept, **version.manifest.model_dump(mode="json")}
