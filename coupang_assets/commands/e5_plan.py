"""``coupang-assets e5-plan``: what fits into the memory of a device, before anything is trained."""

from rich.console import Console
from rich.table import Table

from coupang_assets.classifiers.e5.planner import CONTEXT_BYTES, GIB, Load, plan
from coupang_assets.classifiers.e5.shapes import E5_SHAPES
from coupang_assets.errors import CoupangAssetsError
from coupang_assets.settings import Settings


def show_plans(settings: Settings, pieces: int | None, console: Console) -> None:
    """Print a table of the published models: every means that is considered, what it needs, whether it fits.

    Args:
        pieces: of a trimmed vocabulary; None: it stays whole.
    """
    e5 = settings.e5
    load = Load(e5.batch, e5.length)
    title = (
        f"{e5.memory_gib:g} GiB ({CONTEXT_BYTES / GIB:g} of it for the device itself), "
        f"{e5.batch} texts of {e5.length} tokens at a time"
    )
    table = Table("model", "means", "peak GiB", "", title=title, title_justify="left")
    for name, shape in E5_SHAPES.items():
        try:
            found = plan(shape, load, int(e5.memory_gib * GIB), precision="bf16", trimmed_vocabulary=pieces)
        except CoupangAssetsError as error:
            table.add_row(name, error.what, "", "[red]nothing fits[/red]", end_section=True)
            continue
        for words, peak, fits in found.steps:
            table.add_row(name, words, f"{peak / GIB:.2f}", "[green]fits[/green]" if fits else "too large")
        table.add_row(name, f"[bold]chosen: {found.means.describe()}[/bold]", "", "", end_section=True)
    console.print(table)
