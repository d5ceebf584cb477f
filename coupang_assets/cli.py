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
taxonomy_app = typer.Typer(
    no_args_is_help=True, help="Categories proposed to be merged or dropped, and accepting that."
)
app.add_typer(taxonomy_app, name="taxonomy")
_console = Console()
_errors = Console(stderr=True)

Month = Annotated[
    str, typer.Argument(help="Work month, YYYY_MM. Its data are the calendar month before.", metavar="MONTH")
]

Dataset = Annotated[str | None, typer.Argument(help="Only this dataset.", metavar="[DATASET]")]
Json = Annotated[bool, typer.Option("--json", help="For machines.")]


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
def status(
    month: Month,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Show what of a month is fresh or stale, and why; nothing is run.

    The exit status is 0 when the whole month is fresh and 3 when something is stale or may become so.
    """
    with _reported() as settings:
        from coupang_assets.commands.status import show_status

        if not show_status(settings, month, as_json, _console):
            raise typer.Exit(3)


@app.command()
def refresh(
    month: Month,
    through: Annotated[
        str | None, typer.Option(help="Last month, YYYY_MM; months between that were never begun stay so.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and run nothing.")] = False,
    discard_edits: Annotated[
        bool, typer.Option("--discard-edits", help="Make again what was edited by hand or restored.")
    ] = False,
) -> None:
    """Make what is stale of a month, in order, and nothing else. Safe to stop and run again at any moment."""
    with _reported() as settings:
        from coupang_assets.commands.refresh import refresh_months

        if not refresh_months(settings, month, through, dry_run, discard_edits, _console):
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
def history(month: Month, dataset: Dataset = None, json: Json = False) -> None:
    """List every version the month's datasets have had: when it was made, how, and whether it is still kept.

    A version is called by its number (`@3`) or by the beginning of its data version (`1f3c9`); `current` is what lies
    there now. A file that was edited by hand is a version, too.
    """
    with _reported() as settings:
        from coupang_assets.commands.history import show_history

        show_history(settings, month, dataset, json, _console)


@app.command()
def diff(
    month: Month,
    before: Annotated[str, typer.Argument(help="A version: `@1`, the beginning of a data version.", metavar="A")],
    after: Annotated[str, typer.Argument(help="Another one.", metavar="B")] = "current",
    dataset: Annotated[str | None, typer.Option(help="Needed for `@N` and `current` alone.")] = None,
    json: Json = False,
) -> None:
    """Compare two versions: rows added, removed and changed; of a dictionary also its categories.

    Example: `coupang-assets diff 2024_05 @1 @2 --dataset coupang_cate_all`
    """
    with _reported() as settings:
        from coupang_assets.commands.diff import show_difference

        show_difference(settings, month, before, after, dataset, json, _console)


@app.command()
def restore(
    month: Month,
    dataset: Annotated[str, typer.Argument(help="Dataset, as `history` lists them.", metavar="DATASET")],
    version: Annotated[str, typer.Argument(help="`@N` or the beginning of a data version.", metavar="VERSION")],
) -> None:
    """Bring an earlier version back. What lies there now stays in the history, hand edits included.

    What was made from it is stale afterwards; `coupang-assets refresh MONTH` makes it again. What it was itself made
    from does not matter until it changes: a version that was brought back stays.
    """
    with _reported() as settings:
        from coupang_assets.commands.restore import restore_version

        restore_version(settings, month, dataset, version, _console)


@app.command()
def prune(
    keep: Annotated[int, typer.Option(help="Newest versions of each dataset of a month that stay.", min=1)] = 10,
    older_than: Annotated[float, typer.Option(help="Days; younger versions stay.", min=0)] = 0,
    yes: Annotated[bool, typer.Option("--yes", help="Remove them; without it, only say what goes.")] = False,
) -> None:
    """Give disk free that old versions use; says what goes and what that frees before anything is removed.

    What lies in the months now stays, and all that the current models and Hive partitions came from. The history goes
    on listing what was removed, as not kept.
    """
    with _reported() as settings:
        from coupang_assets.commands.prune import prune_history

        prune_history(settings, keep, older_than, yes, _console)


@app.command()
def provenance(
    what: Annotated[
        list[str],
        typer.Argument(
            help="A month and a dataset, a file's path, or the Hive table and `day=YYYYMM01`.", metavar="WHAT…"
        ),
    ],
    version: Annotated[str, typer.Option(help="Of it; default: what lies there now.")] = "current",
    json: Json = False,
) -> None:
    """Show the exact versions of every file, setting and code that something was made from, through all months.

    Examples: `coupang-assets provenance 2024_05 btm_percent_dict`,
    `coupang-assets provenance rt_category_info_coupang day=20240501`
    """
    with _reported() as settings:
        from coupang_assets.commands.provenance import show_provenance

        show_provenance(settings, what, version, json, _console)


@app.command()
def adopt(month: Month) -> None:
    """Take a month folder that was made before us into the history, so that it can be the base of the next month.

    Every file is read in full and checked against its schema (an unnamed index column, a BOM, codes as `123.0` and a
    folder named `2024-04` are fine). Nothing in it is changed; what is missing or wrong is listed.
    """
    with _reported() as settings:
        from coupang_assets.commands.adopt import adopt_month

        if not adopt_month(settings, month, _console):
            raise typer.Exit(1)


@app.command()
def e5(
    month: Month,
    select: Annotated[str | None, typer.Option(help="Only these of its datasets, such as `e5_onnx`.")] = None,
) -> None:
    """Fine-tune e5 on a month's products, export it and judge it (`COUPANG_E5__…`; needs the extra `e5`)."""
    with _reported() as settings:
        from coupang_assets.commands.run import run_month
        from coupang_assets.definitions import E5_JOB

        if not run_month(settings, month, select, None, _console, E5_JOB):
            raise typer.Exit(1)


@app.command("e5-plan")
def e5_plan(
    pieces: Annotated[
        int | None, typer.Option(help="Pieces that a trimmed vocabulary would keep; default: it stays whole.", min=100)
    ] = None,
) -> None:
    """Say which memory the e5 models need to be fine-tuned with these settings, and by which means they fit."""
    with _reported() as settings:
        from coupang_assets.commands.e5_plan import show_plans

        show_plans(settings, pieces, _console)


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
    model: Annotated[
        str | None, typer.Option(help="Classifier that predicts: biterm, fasttext, svm or vote; default: the champion.")
    ] = None,
) -> None:
    """Show the best categories of product titles, by the champion of the month's classifiers."""
    with _reported() as settings:
        from coupang_assets.commands.predict import predict_titles

        predict_titles(settings, month, titles, top, model, _console)


@app.command()
def champion(
    history: Annotated[bool, typer.Option("--history", help="Every decision ever made, oldest first.")] = False,
) -> None:
    """Show which classifier predicts, how the candidates compared, and who was champion when and why."""
    with _reported() as settings:
        from coupang_assets.commands.champion import show_champion

        show_champion(settings, history, _console)


@taxonomy_app.command("show")
def taxonomy_show(
    month: Month,
    everything: Annotated[bool, typer.Option("--all", help="Categories that are to be kept, too.")] = False,
) -> None:
    """List a month's proposals with their evidence."""
    with _reported() as settings:
        from coupang_assets.commands.taxonomy import show_proposals

        show_proposals(settings, month, everything, _console)


@taxonomy_app.command("accept")
def taxonomy_accept(
    month: Month,
    codes: Annotated[
        list[str] | None,
        typer.Argument(help="Codes whose proposal is accepted; none: those marked accepted=yes in the file."),
    ] = None,
) -> None:
    """Accept proposals; they are applied when category_merge is materialized again, and hold for later months."""
    with _reported() as settings:
        from coupang_assets.commands.taxonomy import accept_proposals

        accept_proposals(settings, month, codes or [], _console)


@app.command()
def classify(
    month: Month,
    source: Annotated[Path, typer.Option("--in", help="CSV or Parquet with a column of titles.", exists=True)],
    target: Annotated[Path, typer.Option("--out", help="CSV or Parquet to write: the same rows and their categories.")],
    column: Annotated[str, typer.Option(help="Column of the titles.")] = "ep_title",
    model: Annotated[str | None, typer.Option(help="Classifier; default: the one `predict` uses.")] = None,
) -> None:
    """Find the category of every title of a file, millions of them, on all cores."""
    with _reported() as settings:
        from coupang_assets.commands.classify import classify_titles

        classify_titles(settings, month, source, target, column, model, _console)


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


products = typer.Typer(no_args_is_help=True, help="The product table of PostgreSQL: export it, classify its products.")
app.add_typer(products, name="products")


@products.command(name="export")
def products_export(
    whole: Annotated[
        bool, typer.Option("--whole", help="Read the whole table, also where what has changed would do.")
    ] = False,
) -> None:
    """Write all products to products_all.csv and products_all.parquet."""
    with _reported() as settings:
        from coupang_assets.commands.products import export_products

        if not export_products(settings, whole, _console):
            raise typer.Exit(1)


@products.command(name="classify")
def products_classify(
    month: Annotated[
        str | None, typer.Option(help="Month whose classifier is used, YYYY_MM; default: the latest with one.")
    ] = None,
) -> None:
    """Write the categories of new and renamed products to a table beside theirs."""
    with _reported() as settings:
        from coupang_assets.commands.products import classify_products

        if not classify_products(settings, month, _console):
            raise typer.Exit(1)


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
