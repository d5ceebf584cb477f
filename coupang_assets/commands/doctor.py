"""``coupang-assets doctor``: can everything a month needs be used?"""

import shutil
import tempfile
from collections.abc import Callable

from rich.console import Console
from rich.markup import escape

from coupang_assets.commands.instance import open_instance
from coupang_assets.definitions import build_resources
from coupang_assets.errors import CoupangAssetsError
from coupang_assets.months import current_month, day_key
from coupang_assets.settings import Settings

# A month's daily files twice (raw and refined), the source, and room for the engine to spill, in bytes an event.
_BYTES_AN_EVENT = 450


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
    existing = next(folder for folder in (settings.root, *settings.root.parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    needed = settings.sample.events_per_day * settings.sampling.days * _BYTES_AN_EVENT
    if free < needed:
        raise CoupangAssetsError(
            f"{free / 1e9:.1f} GB free, a month of the sample needs about {needed / 1e9:.1f} GB", "free disk space"
        )
    return f"{free / 1e9:,.0f} GB free, a month of the sample needs about {needed / 1e9:.1f} GB"


def _hive(settings: Settings, resources: dict) -> str:
    warehouse, layout = resources["warehouse"], resources["layout"]
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


def _home(settings: Settings) -> str:
    with open_instance(settings) as instance:
        return instance.root_directory
