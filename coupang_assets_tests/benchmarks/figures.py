"""Figures of a benchmark: a table for people, a JSON file for machines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Figure:
    """One measured value; `ok` is None where nothing is promised."""

    figure: str
    value: float | int | str
    unit: str
    target: str
    ok: bool | None
    how: str


def report(title: str, figures: Sequence[Figure], file: Path | None, console: Console | None = None) -> bool:
    """Print the figures, write them if a file is given, and say whether every promise is kept."""
    table = Table(title=title, title_justify="left")
    for name in ("figure", "value", "unit", "target", "ok", "how"):
        table.add_column(name, justify="right" if name == "value" else "left", overflow="fold")
    for one in figures:
        mark = "" if one.ok is None else "[green]yes[/green]" if one.ok else "[bold red]NO[/bold red]"
        value = f"{one.value:,}" if isinstance(one.value, int) else one.value
        value = f"{value:,.2f}" if isinstance(value, float) else value
        table.add_row(one.figure, value, one.unit, one.target, mark, one.how)
    (console or Console()).print(table)
    if file is not None:
        file.write_text(json.dumps([asdict(one) for one in figures], ensure_ascii=False, indent=1) + "\n")
    return all(one.ok is not False for one in figures)
