"""``coupang-assets serve`` before it listens: it refuses what would not be safe or cannot work."""

import socket
from pathlib import Path

import pytest
from rich.console import Console

from coupang_assets.commands.serve import serve_predictions
from coupang_assets.errors import CoupangAssetsError
from coupang_assets.serving.models import ModelVersion
from coupang_assets.serving.month_models import MonthModels
from coupang_assets_tests.months import small_settings

CONSOLE = Console(quiet=True)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "some.host"])
def test_an_address_others_can_reach_needs_a_key(tmp_path: Path, host: str) -> None:
    with pytest.raises(CoupangAssetsError) as told:
        serve_predictions(small_settings(tmp_path), host, 8000, None, CONSOLE)
    assert "COUPANG_SERVING__API_KEY" in told.value.remedy


def test_without_a_model_it_does_not_listen(tmp_path: Path) -> None:
    with pytest.raises(CoupangAssetsError, match="no month"):
        serve_predictions(small_settings(tmp_path), "localhost", 0, None, CONSOLE)


def test_a_port_that_is_taken_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MonthModels, "current", lambda self: ModelVersion("2024_05", "biterm", "1"))
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(CoupangAssetsError) as told:
        serve_predictions(small_settings(tmp_path), "127.0.0.1", taken.getsockname()[1], None, CONSOLE)
    assert "--port" in told.value.remedy
