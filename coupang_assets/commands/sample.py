"""``coupang-assets sample``: the sample's world from real product names and a real category tree."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from coupang_assets.errors import CoupangAssetsError
from coupang_assets.months import add_months, month_key
from coupang_assets.sample.real_input import RealInputOptions, RealInputReport, build_world
from coupang_assets.sample.world import World

_KEYWORDS_SHOWN = 10


def build_sample(products: Sequence[Path], tree: Path, out: Path, first: str, console: Console) -> None:
    """Write the world under ``out`` and say what became of the given rows.

    Raises:
        CoupangAssetsError: an input does not hold, or ``out`` has a sample already.
    """
    folder = out / "sample"
    if World.exists(folder):
        raise CoupangAssetsError(f"{out} has a sample already", "choose another folder, or remove it")
    month = month_key(first)
    world, report = build_world(products, tree, RealInputOptions(first_month=month))
    try:
        world.save(folder)
    except OSError as error:
        raise CoupangAssetsError(f"{folder} cannot be written: {error}", "choose another --out") from None
    console.print(_report_table(report))
    console.print(
        f"Now: COUPANG_ROOT={out} coupang-assets run {month}, then {add_months(month, 1)}, "
        f"which has {report.held_back} categories {month} lacks."
    )


def _report_table(report: RealInputReport) -> Table:
    table = Table(title="What became of the rows", title_justify="left", show_header=False)
    table.add_column(overflow="fold")
    table.add_column(justify="right")
    for path, rows in report.rows.items():
        table.add_row(f"read from {path}", f"{rows:,}")
    for how, rows in report.matched.items():
        table.add_row(f"placed by {how}", f"{rows:,}")
    for why, rows in report.left_out.items():
        table.add_row(f"left out: {why}", f"{rows:,}")
    for keyword, rows in list(report.unmatched_keywords.items())[:_KEYWORDS_SHOWN]:
        table.add_row(f"  no leaf for keyword {keyword}", f"{rows:,}")
    table.add_section()
    table.add_row("nodes with a code", f"{report.nodes:,}")
    table.add_row("categories with products", f"{report.categories:,}")
    table.add_row("products", f"{report.products:,}")
    return table
