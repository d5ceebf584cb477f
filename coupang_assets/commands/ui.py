"""``coupang-assets ui``: the Dagster UI and its daemon."""

import os
import sys
from typing import NoReturn

from dagster import DagsterInstance
from rich.console import Console

from coupang_assets.commands.instance import prepare_home
from coupang_assets.settings import Settings
from coupang_assets.storage.run_lock import end_killed_runs


def serve_ui(settings: Settings, host: str, port: int, console: Console) -> NoReturn:
    """Become ``dagster dev``: whoever stops or terminates this process, by its id alone, stops the UI."""
    home = prepare_home(settings)
    with DagsterInstance.get() as instance:
        end_killed_runs(instance, settings.root)
    console.print(f"Dagster UI on http://{host}:{port} (history in {home}). Stop it with Ctrl-C.")
    # `dagster dev` advises `dg dev` at every start, which does not read workspace.yaml.
    options = ["-m", "coupang_assets.definitions", "-h", host, "-p", str(port)]
    command = ["-W", "ignore::FutureWarning:click.core", "-m", "dagster", "dev", *options]
    console.file.flush()
    os.execv(sys.executable, [sys.executable, *command])
