"""``coupang-assets recheck``: what it accepts, and what it says of a month that is not there."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from coupang_assets.cli import app
from coupang_assets.commands.recheck import parse_share
from coupang_assets.errors import CoupangAssetsError


@pytest.mark.parametrize(("text", "share"), [("5%", 0.05), ("0.05", 0.05), (" 100% ", 1.0), ("1", 1.0)])
def test_share_is_a_percentage_or_a_fraction(text: str, share: float) -> None:
    assert parse_share(text) == pytest.approx(share)


@pytest.mark.parametrize("text", ["", "5", "0", "-1%", "101%", "five", "nan", "%"])
def test_what_is_no_share_is_told(text: str) -> None:
    with pytest.raises(CoupangAssetsError, match="is no share"):
        parse_share(text)


def test_a_month_that_was_not_made_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["recheck", "2024_05", "--share", "5%"])
    assert result.exit_code == 1
    assert "coupang_cate_all of 2024_05 is not there" in " ".join(result.output.split())
