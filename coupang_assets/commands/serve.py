"""``coupang-assets serve``: the prediction service."""

import ipaddress
import socket

from rich.console import Console

from coupang_assets.errors import CoupangAssetsError
from coupang_assets.serving.app import create_app
from coupang_assets.serving.month_models import MonthModels
from coupang_assets.settings import Settings
from coupang_assets.storage.layout import Layout

# Connections that have been accepted but not yet looked at; beyond them the system refuses.
_BACKLOG = 2048


def serve_predictions(settings: Settings, host: str, port: int, model: str | None, console: Console) -> None:
    """Serve until stopped.

    Raises:
        CoupangAssetsError: there is no model, the port is taken, or the address is open to others and no key is set.
    """
    import uvicorn

    serving = settings.serving
    if serving.api_key is None and not _is_loopback(host):
        raise CoupangAssetsError(
            f"{host} can be reached from other machines and no API key is set",
            "set COUPANG_SERVING__API_KEY, or listen on 127.0.0.1",
        )
    models = MonthModels(Layout(settings), model)
    current = models.current()
    try:
        listening = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise CoupangAssetsError(f"{host} port {port}: {error.strerror}", "choose another with --port") from None
    console.print(f"{current.id} answers on http://{host}:{port} (try /docs). Stop it with Ctrl-C.", highlight=False)
    config = uvicorn.Config(create_app(models, serving), log_level="warning", access_log=False, backlog=_BACKLOG)
    with listening:
        uvicorn.Server(config).run(sockets=[listening])


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
