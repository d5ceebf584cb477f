"""The refresh benchmark in small: what it counts is right; how long it takes is for a quiet machine to say."""

import json
from pathlib import Path

import pytest

from coupang_assets_tests.benchmarks.refresh import main


@pytest.mark.slow
def test_exactly_what_is_stale_is_run(tmp_path: Path) -> None:
    main(["--events", "150", "--days", "2", "--json", str(tmp_path / "figures.json")])
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert {tuple(figure) for figure in figures} == {("figure", "value", "unit", "target", "ok", "how")}
    counted = {figure["figure"]: figure["ok"] for figure in figures if figure["unit"] == "datasets"}
    assert set(counted.values()) == {True}
    assert {"datasets it ran", "of them fresh"} < set(counted)
