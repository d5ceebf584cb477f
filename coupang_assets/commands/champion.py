"""``coupang-assets champion``: who predicts, since when, and why."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from coupang_assets.datasets import CHAMPION
from coupang_assets.evaluation.champion_record import CHAMPIONS_FILE, ChampionEntry, ChampionRecord, read_champions
from coupang_assets.settings import Settings

_COMPARED = (
    ("accuracy", "accuracy", ".1%"),
    ("  95 % interval from", "accuracy_low", ".1%"),
    ("  to", "accuracy_high", ".1%"),
    ("right top category", "level1_accuracy", ".1%"),
    ("macro F1", "macro_f1", ".3f"),
    ("F1 of whole paths", "hierarchical_f1", ".3f"),
    ("calibration error", "calibration_error", ".3f"),
    ("titles only it has right", "only_this_right", ","),
    ("titles only {against} has right", "only_other_right", ","),
    ("p value, corrected (Holm)", "p_holm", ".2g"),
    ("bytes", "model_bytes", ","),
)
_TIMED = (("training, s", "training_seconds", ",.1f"), ("titles/s", "titles_per_second", ",.0f"))


def champion_record(settings: Settings) -> ChampionRecord:
    """The record of this root."""
    return read_champions(settings.root / CHAMPIONS_FILE)


def show_champion(settings: Settings, history: bool, console: Console) -> None:
    """Print the latest month's champion and comparison; with ``history`` every line of the record before it.

    Raises:
        CoupangAssetsError: the record is damaged.
    """
    record = champion_record(settings)
    if record.torn:
        lines = ", ".join(map(str, record.torn))
        console.print(f"[yellow]Line {lines} of {CHAMPIONS_FILE} was left by a killed run and does not count.[/yellow]")
    if not record.entries:
        console.print(f"There has been no champion yet. One is chosen when {CHAMPION.name} is materialized.")
        return
    if history:
        console.print(_history_table(record))
    latest = record.of_month(max(entry.month for entry in record.entries))
    if latest is not None:
        console.print(Text(f"{latest.month}: {latest.champion or 'no champion'}; {latest.reason}."))
        console.print(_comparison_table(latest))
        for candidate in latest.candidates:
            if candidate["unmet"]:
                console.print(Text(f"{candidate['classifier']} does not hold: {'; '.join(candidate['unmet'])}"))


def _history_table(record: ChampionRecord) -> Table:
    table = Table(title="Record", title_justify="left")
    for name in ("decided at", "month", "champion", "before", "outcome", "why"):
        table.add_column(name, overflow="fold")
    for entry in record.entries:
        before = entry.previous or "none"
        table.add_row(entry.time, entry.month, entry.champion or "none", before, entry.outcome, Text(entry.reason))
    return table


def _comparison_table(entry: ChampionEntry) -> Table:
    table = Table()
    table.add_column("")
    for candidate in entry.candidates:
        name = candidate["classifier"]
        table.add_column(Text(name, "bold" if name == entry.champion else ""), justify="right")
    timings = [entry.timings[candidate["classifier"]] for candidate in entry.candidates]
    against = next((candidate["against"] for candidate in entry.candidates if candidate["against"]), "the other")
    for label, name, form in _COMPARED:
        table.add_row(label.format(against=against), *(_shown(candidate[name], form) for candidate in entry.candidates))
    for label, name, form in _TIMED:
        table.add_row(label, *(_shown(timing[name], form) for timing in timings))
    return table


def _shown(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)
