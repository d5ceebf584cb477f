"""Reports are complete, readable, the same every time, and there even if there is little to report."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import matplotlib
import pandas as pd
import pytest
from matplotlib.image import imread

from coupang_assets.classifiers.protocol import Prediction
from coupang_assets.evaluation import plots
from coupang_assets.evaluation.metrics import Evaluation, evaluate
from coupang_assets.evaluation.report import markdown_report, write_report

PNG = b"\x89PNG\r\n"


def judged(categories: int, titles: int = 400, tops: int = 5) -> Evaluation:
    """An evaluation of a classifier that errs in a third of the titles, in most cases to a neighbour."""
    chance = random.Random(5)
    codes = [f"{number:04}" for number in range(categories)]
    names = {code: (f"상위 {int(code) % tops}", f"분류 {code}") for code in codes}
    truth = [chance.choice(codes) for _ in range(titles)]
    best = [code if chance.random() < 0.67 else chance.choice(codes) for code in truth]
    predictions = [[Prediction(code, 0.5)] if chance.random() < 0.95 else [] for code in best]
    return evaluate(truth, predictions, names)


def test_the_report_has_its_files(tmp_path: Path) -> None:
    evaluation = judged(6)
    files = write_report(evaluation, tmp_path / "new" / "folder")
    assert [file.name for file in files] == ["report.json", "per_category.csv", "confusion.png", "accuracy_by_size.png"]
    report = json.loads(files[0].read_text())
    assert report["figures"]["accuracy"] == pytest.approx(evaluation.accuracy, abs=1e-6)
    table = pd.read_csv(files[1], dtype={"code": str})
    assert table["code"].tolist() == evaluation.per_category["code"].tolist()
    assert all(file.read_bytes().startswith(PNG) for file in files[2:])
    assert len(list(files[0].parent.iterdir())) == 4


def test_same_bytes_in_another_process(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from coupang_assets_tests.evaluation import test_report as here;"
        "here.write_report(here.judged(6), Path(sys.argv[1]))"
    )
    environment = {"PYTHONHASHSEED": "3", "PYTHONPATH": str(Path(__file__).parents[2])}
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "there")], check=True, env=environment)
    for file in write_report(judged(6), tmp_path / "here"):
        assert file.read_bytes() == (tmp_path / "there" / file.name).read_bytes(), file.name


@pytest.mark.parametrize(
    ("categories", "tops", "largest", "rows"),
    [(8, 3, 10, 8), (30, 5, 10, 5), (30, 1, 10, 10), (60, 25, 10, 10)],
    ids=["each", "by top", "one top", "many tops"],
)
def test_the_heat_map_shows_at_most_so_many_rows(categories: int, tops: int, largest: int, rows: int) -> None:
    evaluation = judged(categories, 900, tops)
    grid = plots._grid(evaluation, largest)
    assert len(grid.rows) == rows and grid.titles.sum() == evaluation.titles
    assert grid.columns[-1] == "(no prediction)"
    assert plots.confusion_heatmap(evaluation, largest).startswith(PNG)


@pytest.mark.parametrize("categories", [1, 2])
def test_few_categories_are_drawn(tmp_path: Path, categories: int) -> None:
    files = write_report(judged(categories, 12), tmp_path)
    assert imread(files[2]).shape[0] > 300


def test_nothing_to_judge_is_stated(tmp_path: Path) -> None:
    evaluation = evaluate([], [], {})
    files = write_report(evaluation, tmp_path)
    assert "no title" in json.loads(files[0].read_text())["notice"]
    assert files[1].read_text() == "code,path,support,precision,recall,f1\n"
    assert files[2].read_bytes().startswith(PNG)
    assert markdown_report(evaluation).startswith("> The test split has no title")


def test_markdown_names_the_confused_and_limits_rows() -> None:
    text = markdown_report(judged(30), max_rows=5)
    assert "| Accuracy |" in text and "### Most confused" in text and "(5 of 30)" in text
    evaluation = evaluate(["1", "2"], [[Prediction("2", 1.0)], []], {"1": ("a|b", "c\nd")})
    assert r"a\|b > c d" in markdown_report(evaluation)


def test_korean_is_drawn_with_a_font_of_our_own_and_settings_are_left_alone(recwarn: pytest.WarningsRecorder) -> None:
    before = dict(matplotlib.rcParams)
    plots.confusion_heatmap(judged(4))
    plots.accuracy_by_size(judged(4))
    assert dict(matplotlib.rcParams) == before
    assert not [warning for warning in recwarn if "Glyph" in str(warning.message)]
    assert "matplotlib.pyplot" not in sys.modules or matplotlib.pyplot.get_fignums() == []
