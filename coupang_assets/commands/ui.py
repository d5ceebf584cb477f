"""``coupang-assets ui``: the Dagster UI and its daemon."""

import subprocess
import sys

from rich.console import Console

from coupang_assets.commands.instance import prepare_home
from coupang_assets.settings import Settings


def serve_ui(settings: Settings, host: str, port: int, console: Console) -> int:
    """Run ``dagster dev`` until it is stopped; its exit status."""
    home = prepare_home(settings)
    console.print(f"Dagster UI on http://{host}:{port} (history in {home}). Stop it with Ctrl-C.")
    command = ["-m", "dagster", "dev", "-m", "coupang_assets.definitions", "-h", host, "-p", str(port)]
    process = subprocess.Popen([sys.executable, *command])
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.wait()
        return 0
