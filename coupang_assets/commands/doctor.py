"""``coupang-assets doctor``: can everything a month needs be used, and the server of products if one is set?"""

import tempfile
from collections.abc import Callable

from rich.console import Console
from rich.markup import escape

from coupang_assets.commands.instance import open_instance
from coupang_assets.definitions import build_resources
from coupang_assets.errors import CoupangAssetsError
from coupang_assets.months import current_month, day_key
from coupang_assets.products.source_table import describe_table
from coupang_assets.settings import Settings, unknown_settings
from coupang_assets.storage.disk import month_bytes, require_space

# Of the real table, as the specification says; a run counts them before it begins.
_USUAL_EVENTS_A_DAY = 5_000_000


def examine(settings: Settings, console: Console) -> bool:
    """Print what was found, one line a thing; whether all of it can be used."""
    resources = build_resources(settings)
    parts: dict[str, Callable[[], str]] = {
        "root": lambda: _root(settings),
        "disk": lambda: _disk(settings),
        "hive": lambda: _hive(settings, resources),
        "shop": lambda: _shop(resources),
        "engine": lambda: resources["engine"].describe(),
        "dagster": lambda: f"history in {_home(settings)}",
    }
    if not settings.products.is_embedded:
        parts["products"] = lambda: _products(settings, resources)
    good = True
    for name, look in parts.items():
        try:
            console.print(f"[green]ok[/green]     {name:8} {escape(look())}", soft_wrap=True)
        except Exception as error:
            good = False
            what, remedy = (error.what, error.remedy) if isinstance(error, CoupangAssetsError) else (str(error), "")
            console.print(f"[bold red]wrong[/bold red]  {name:8} {escape(what)}", soft_wrap=True)
            if remedy:
                console.print(f"{'':16}what to do: {escape(remedy)}", soft_wrap=True)
    for name in unknown_settings():
        console.print(
            f"[yellow]unused[/yellow] {'settings':8} {escape(name)} is no setting of this project", soft_wrap=True
        )
    resources["engine"].close()
    return good


def _root(settings: Settings) -> str:
    try:
        settings.root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=settings.root):
            pass
    except OSError as error:
        raise CoupangAssetsError(
            f"{settings.root} cannot be written: {error.strerror}", "correct its permissions, or set COUPANG_ROOT"
        ) from None
    return f"{settings.root} can be written"


def _disk(settings: Settings) -> str:
    sample = settings.warehouse.kind == "embedded" and settings.sample.enabled
    events = settings.sample.events_per_day if sample else _USUAL_EVENTS_A_DAY
    month = f"a month of {settings.sampling.days} days with {events:,} events"
    return require_space(settings.root, month_bytes(events * settings.sampling.days), month)


def _hive(settings: Settings, resources: dict) -> str:
    warehouse, layout = resources["warehouse"], resources["layout"]
    if settings.warehouse.kind == "embedded" and settings.sample.enabled:
        # To ask for days would make them.
        return str(warehouse.describe())
    month = current_month()
    wanted = [day_key(day) for day in layout.days(month)]
    days = warehouse.event_days(wanted)
    if len(days) < len(wanted) and not settings.sampling.allow_missing_days:
        missing = ", ".join(sorted(set(wanted) - set(days)))
        raise CoupangAssetsError(
            f"{warehouse.describe()}: {month} lacks {missing}", "load those days of the source table"
        )
    return f"{warehouse.describe()}; {len(days)} of {len(wanted)} days of {month}"


def _shop(resources: dict) -> str:
    import urllib.error
    import urllib.request

    shop = resources["shop"]
    with shop.open(current_month()) as options:
        request = urllib.request.Request(f"{options.base_url}/robots.txt", headers={"User-Agent": options.user_agent})
        try:
            with urllib.request.urlopen(request, timeout=options.timeout_s) as response:
                status = response.status
        except urllib.error.HTTPError as error:
            status = error.code
        except OSError as error:
            raise CoupangAssetsError(
                f"{shop.describe()} does not answer: {error}", "check COUPANG_SHOP__BASE_URL and the network"
            ) from None
    if status in (403, 429):
        raise CoupangAssetsError(f"{shop.describe()} refuses us (status {status})", "wait, or ask the shop for access")
    return f"{shop.describe()} answers (robots.txt: status {status})"


def _products(settings: Settings, resources: dict) -> str:
    with resources["products_source"].connect() as connection:
        table = describe_table(connection, settings.products)
    key = table.key.name if table.key else "none"
    modified = table.modified.name if table.modified else "none"
    return (
        f"{table.schema}.{table.name} of {settings.products.database}: {len(table.columns)} columns, "
        f"key {key}, time of change {modified}"
    )


def _home(settings: Settings) -> str:
    with open_instance(settings) as instance:
        return instance.root_directory
