"""``coupang-assets status``: every dataset of a month, and why it is not fresh."""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import dagster as dg
from rich.console import Console
from rich.table import Table
from rich.text import Text

from coupang_assets.assets.refreshing import observed_records
from coupang_assets.commands.instance import existing_instance
from coupang_assets.commands.versions import moment
from coupang_assets.definitions import build_defs, build_resources
from coupang_assets.months import work_month
from coupang_assets.refresh.graph import Graph
from coupang_assets.refresh.plan import State, Status, plan
from coupang_assets.refresh.records import DiskRecords
from coupang_assets.settings import Settings
from coupang_assets.storage.layout import Layout

_STYLES = {State.FRESH: "green", State.WAITING: "yellow", State.EDITED: "cyan"}
_LATER_SHOWN = 12
# Characters of a terminal in which a table has room for sentences.
WIDE = 120


def show_status(settings: Settings, month: str, as_json: bool, console: Console) -> bool:
    """Print the month's datasets and what is stale in later months because of them.

    Args:
        as_json: print ``{"month", "fresh", "datasets": […], "later": […]}`` instead of tables.

    Returns:
        Whether the whole month is fresh.

    Raises:
        CoupangAssetsError: the month does not hold, or a source cannot be observed.
    """
    key = work_month(month, settings.first_month)
    graph = Graph.of(build_defs(settings))
    with open_records(settings, [key], existing_instance(settings)) as records:
        statuses = plan(graph, records, [key])
    here = [status for status in statuses.values() if status.month == key]
    later = later_because_of(statuses, key)
    fresh = all(status.settled for status in here)
    if as_json:
        said = {"month": key, "fresh": fresh, "datasets": _json(here), "later": _json(later)}
        console.file.write(json.dumps(said, ensure_ascii=False, indent=1) + "\n")
        return fresh
    print_statuses(f"Work month {key}", here, console)
    if later:
        console.print(_later_table(later))
    elif fresh:
        console.print(f"[green]{key} is fresh.[/green]")
    if not fresh:
        console.print(f"Make what is stale, and nothing else: coupang-assets refresh {key}")
    return fresh


@contextmanager
def open_records(
    settings: Settings, months: Sequence[str], instance: dg.DagsterInstance | None
) -> Iterator[DiskRecords]:
    """The records, sources observed afresh; a terminal is told what takes a while."""
    with Console(stderr=True).status("looking at the records") as waiting:
        yield observed_records(
            Layout(settings),
            build_resources(settings)["warehouse"],
            months,
            instance,
            on_look=lambda month: waiting.update(f"looking whether the source of {month} has other data"),
        )


def later_because_of(statuses: dict[str, Status], month: str) -> list[Status]:
    """What is stale, or may become so, in later months because of this one."""
    return [
        status
        for status in statuses.values()
        if status.month > month and status.cause is not None and status.cause.endswith(f"@{month}")
    ]


def print_statuses(title: str, statuses: Sequence[Status], console: Console) -> None:
    """One row a dataset; the reasons stand below the table where there is no room for them in it."""
    columns = ["dataset", "version", "made (Seoul)", "rows", "state"]
    wide = console.width >= WIDE
    table = Table(title=title, title_justify="left")
    for name in [*columns, "why"] if wide else columns:
        table.add_column(
            name, justify="right" if name == "rows" else "left", overflow="fold", no_wrap=name == "dataset"
        )
    for status in statuses:
        manifest = status.manifest
        rows = manifest.rows if manifest else None
        cells = [
            Text(status.name),
            Text(manifest.data_version[:8] if manifest else ""),
            Text(moment(manifest.created) if manifest else ""),
            Text("" if rows is None else f"{rows:,}"),
            Text(status.state, _STYLES.get(status.state, "bold red")),
        ]
        table.add_row(*cells, Text(_why(status))) if wide else table.add_row(*cells)
    console.print(table)
    if not wide:
        print_reasons(((status.name, _why(status)) for status in statuses), console)


def print_reasons(reasons: Iterable[tuple[str, str]], console: Console) -> None:
    """One line a dataset that has a reason to be as it is."""
    for name, why in reasons:
        if why:
            console.print(Text.assemble((name, "bold"), f": {why}"))


def _later_table(later: list[Status]) -> Table:
    months = sorted({status.month for status in later})
    table = Table(title=f"Stale because of it in {len(months)} later months", title_justify="left")
    table.add_column("month")
    table.add_column("stale", overflow="fold")
    table.add_column("may follow", overflow="fold")
    for month in months[:_LATER_SHOWN]:
        stale = [status.name for status in later if status.month == month and status.reasons]
        waiting = [status.name for status in later if status.month == month and not status.reasons]
        table.add_row(month, ", ".join(stale), ", ".join(waiting))
    if len(months) > _LATER_SHOWN:
        table.add_row("…", "", f"and {len(months) - _LATER_SHOWN} more months")
    return table


def _why(status: Status) -> str:
    """The reason, and the upstream that caused it where the reason does not name it already."""
    beginning = f"; it begins with {status.cause}" if status.cause and status.cause not in status.text else ""
    return status.text + beginning


def _json(statuses: Iterable[Status]) -> list[dict[str, Any]]:
    return [
        {
            "month": status.month,
            "dataset": status.name,
            "version": status.manifest.data_version if status.manifest else None,
            "when": status.manifest.created if status.manifest else None,
            "rows": status.manifest.rows if status.manifest else None,
            "state": status.state,
            "reasons": [
                {"state": reason.state, "text": reason.text, "upstream": reason.upstream} for reason in status.reasons
            ],
            "waiting_for": status.waiting_for,
            "cause": status.cause,
        }
        for status in statuses
    ]
