"""``coupang-assets prune``: give disk free that old versions use."""

from collections import Counter
from datetime import timedelta

from rich.console import Console
from rich.table import Table

from coupang_assets.commands.versions import moment, size
from coupang_assets.settings import Settings
from coupang_assets.storage.history import History
from coupang_assets.storage.layout import Layout
from coupang_assets.storage.prune import Pruning, plan_pruning, prune


def prune_history(settings: Settings, keep: int, older_than_days: float, yes: bool, console: Console) -> None:
    """Say which versions go and what that frees; remove them if ``yes``.

    Raises:
        CoupangAssetsError: a log or manifest is damaged, so that what it protects cannot be known.
    """
    history, older_than = History(Layout(settings)), timedelta(days=older_than_days)
    pruning = plan_pruning(history, keep, older_than)
    if not pruning.contents:
        console.print("There is nothing to remove.")
        return
    console.print(_table(pruning))
    if pruning.abandoned:
        console.print(f"{pruning.abandoned} contents that no version names: a run was killed while it wrote them.")
    if not yes:
        console.print(f"This frees {size(pruning.bytes_freed)}. Nothing was removed; add --yes to remove it.")
        return
    done = prune(history, keep, older_than)
    console.print(f"{len(done.versions)} versions are no longer kept; {size(done.bytes_freed)} are free.")


def _table(pruning: Pruning) -> Table:
    table = Table(title="Versions that would no longer be kept", title_justify="left")
    for name in ("month", "dataset", "versions", "oldest", "newest"):
        table.add_column(name, justify="right" if name == "versions" else "left")
    counts = Counter((v.manifest.month, v.manifest.dataset) for v in pruning.versions)
    for (month, dataset), count in sorted(counts.items()):
        made = [
            v.manifest.created or ""
            for v in pruning.versions
            if (v.manifest.month, v.manifest.dataset) == (month, dataset)
        ]
        table.add_row(month, dataset, str(count), moment(min(made) or None), moment(max(made) or None))
    return table
