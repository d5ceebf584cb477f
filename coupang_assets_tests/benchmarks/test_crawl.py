"""The crawl benchmark in small: its promises hold and its report has the agreed form."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from coupang_assets_tests.benchmarks.crawl import main


@pytest.mark.slow
def test_every_promise_holds_on_a_small_shop(tmp_path: Path) -> None:
    assert main(["--quick", "--categories", "80", "--json", str(tmp_path / "figures.json")]) == 0
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert {tuple(figure) for figure in figures} == {("figure", "value", "unit", "target", "ok", "how")}
    assert any(figure["figure"] == "nameable categories with their right name" for figure in figures)
