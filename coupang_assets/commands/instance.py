"""The lasting Dagster instance: one DAGSTER_HOME below the root, set for the user."""

import os
from pathlib import Path

from dagster import DagsterInstance

from coupang_assets.errors import CoupangAssetsError
from coupang_assets.files import write_text
from coupang_assets.settings import Settings

_INSTANCE_YAML = """\
# Written once by coupang-assets; yours to change.
telemetry:
  enabled: false
nux:
  enabled: false
concurrency:
  runs:
    max_concurrent_runs: 1
"""


def prepare_home(settings: Settings) -> Path:
    """Set DAGSTER_HOME, unless the user has, and make it ready; returns it.

    Without it Dagster keeps its history in a temporary folder and deletes it at exit.

    Raises:
        CoupangAssetsError: the folder cannot be made or written.
    """
    home = Path(os.environ.setdefault("DAGSTER_HOME", str(_default_home(settings))))
    try:
        home.mkdir(parents=True, exist_ok=True)
        if not (home / "dagster.yaml").exists():
            write_text(home / "dagster.yaml", _INSTANCE_YAML)
    except OSError as error:
        raise CoupangAssetsError(
            f"{home} cannot be written: {error.strerror}",
            "correct its permissions, or set COUPANG_ROOT or DAGSTER_HOME",
        ) from None
    # Processes Dagster starts may have another current folder, so a relative root is settled here.
    os.environ["COUPANG_ROOT"] = str(settings.root)
    return home


def open_instance(settings: Settings) -> DagsterInstance:
    """The instance of :func:`prepare_home`."""
    prepare_home(settings)
    return DagsterInstance.get()


def existing_instance(settings: Settings) -> DagsterInstance | None:
    """The instance, or None where nothing has run yet; nothing is made."""
    home = Path(os.environ.get("DAGSTER_HOME", _default_home(settings)))
    return open_instance(settings) if (home / "dagster.yaml").exists() else None


def _default_home(settings: Settings) -> Path:
    return settings.root / "dagster_home"
