"""The ``coupang-assets`` command: arguments and help. What a command does is in ``commands``."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from coupang_assets.errors import CoupangAssetsError
from coupang_assets.settings import Settings, load_settings

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="Rebuild the Coupang category dictionary and the product-name classifier, month by month.\n\n"
    "Everything is kept under COUPANG_ROOT (default: coupang_category/ in the current folder). "
    "Without further settings the events and the shop are a made-up sample, so this works at once:\n\n"
    "`coupang-assets run 2024_05`",
)
_console = Console()
_errors = Console(stderr=True)

Month = Annotated[
    str, typer.Argument(help="Work month, YYYY_MM. Its data are the calendar month before.", metavar="MONTH")
]


@app.command()
def run(
    month: Month,
    select: Annotated[
        str | None,
        typer.Option(
            help="Only these datasets, as in the UI: `diff_data+` (and all that follows), `new_unique or diff_data`."
        ),
    ] = None,
    base: Annotated[
        str | None, typer.Option(help="Base month, YYYY_MM; default: the latest earlier month that has a dictionary.")
    ] = None,
    names: Annotated[
        Path | None,
        typer.Option(
            help="Take category names from here instead of asking the shop: a CSV of category4 and "
            "cate1_name … cate5_name (or code and level1 … level6), a saved product page, or a folder of them.",
            exists=True,
            resolve_path=True,
        ),
    ] = None,
) -> None:
    """Make every file of a month, in order, and check it. Safe to stop and run again at any moment."""
    with _reported() as settings:
        from coupang_assets.commands.run import run_month

        if names is not None:
            settings = settings.model_copy(update={"shop": settings.shop.model_copy(update={"offline": names})})
        if not run_month(settings, month, select, base, _console):
            raise typer.Exit(1)


@app.command()
def recheck(
    month: Month,
    share: Annotated[str, typer.Option(help="Share of the known categories to ask again.")] = "5%",
    seed: Annotated[int, typer.Option(help="Another seed chooses other categories.")] = 0,
    apply: Annotated[bool, typer.Option("--apply", help="Take new names over into the month's crawl journal.")] = False,
) -> None:
    """Ask the shop again for known categories and report which were renamed or have vanished."""
    with _reported() as settings:
        from coupang_assets.commands.recheck import parse_share, recheck_month

        if not recheck_month(settings, month, parse_share(share), seed, apply, _console):
            raise typer.Exit(1)


@app.command()
def ui(
    port: Annotated[int, typer.Option(help="Port of the UI.", min=1, max=65535)] = 3000,
    host: Annotated[
        str, typer.Option(help="Address to listen on. Anyone who reaches it can start runs.")
    ] = "127.0.0.1",
) -> None:
    """Open the Dagster UI and its daemon, with a history that lasts."""
    with _reported() as settings:
        from coupang_assets.commands.ui import serve_ui

        serve_ui(settings, host, port, _console)


@app.command()
def predict(
    month: Month,
    titles: Annotated[list[str], typer.Argument(help="Product titles.", metavar="TITLE…")],
    top: Annotated[int, typer.Option(help="Categories shown a title.", min=1, max=50)] = 3,
) -> None:
    """Show the best categories of product titles, by the month's classifier."""
    with _reported() as settings:
        from coupang_assets.commands.predict import predict_titles

        predict_titles(settings, month, titles, top, _console)


@app.command()
def serve(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; any but a loopback one needs COUPANG_SERVING__API_KEY.")
    ] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.", min=1, max=65535)] = None,
    model: Annotated[
        str | None, typer.Option(help="Answer with this model only, as MONTH/CLASSIFIER; default: the newest.")
    ] = None,
) -> None:
    """Answer titles with category paths over HTTP, and on a small page."""
    with _reported() as settings:
        from coupang_assets.commands.serve import serve_predictions

        serving = settings.serving
        serve_predictions(settings, host or serving.host, port or serving.port, model, _console)


@app.command()
def doctor() -> None:
    """Look whether root, disk, Hive, shop and engine can be used, and say what is wrong."""
    with _reported() as settings:
        from coupang_assets.commands.doctor import examine

        if not examine(settings, _console):
            raise typer.Exit(1)


@app.command()
def settings() -> None:
    """List every setting with its value and meaning."""
    with _reported() as current:
        from coupang_assets.commands.show_settings import show_settings

        show_settings(current, _console)


@app.command()
def sample(
    products: Annotated[
        list[Path],
        typer.Option(help="CSV of product names with category1 and category2, or a keyword. May be repeated."),
    ],
    tree: Annotated[Path, typer.Option(help="CSV of the category tree: code, level1 … level6.")],
    out: Annotated[Path, typer.Option(help="Root to make; use it then as COUPANG_ROOT.")],
    first: Annotated[
        str, typer.Option(help="First work month that is going to be run; the month after it has categories it lacks.")
    ] = "2024_05",
) -> None:
    """Build the sample's events and shop from real product names and a real category tree."""
    with _reported():
        from coupang_assets.commands.sample import build_sample

        build_sample(products, tree, out, first, _console)


@contextmanager
def _reported() -> Iterator[Settings]:
    try:
        yield load_settings()
    except CoupangAssetsError as error:
        _errors.print(f"[bold red]Error:[/bold red] {escape(error.what)}", highlight=False, soft_wrap=True)
        if error.remedy:
            _errors.print(f"[bold]What to do:[/bold] {escape(error.remedy)}", highlight=False, soft_wrap=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        _errors.print("Stopped. What is done stays; run the same command to go on.")
        raise typer.Exit(130) from None


if __name__ == "__main__":
    app()
