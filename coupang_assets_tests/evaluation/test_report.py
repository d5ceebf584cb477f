"""Reports are complete, readable, the same every time, and there even if there is little to report."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from pathlib import Path

import matplotlib
import pandas as pd
import pytest
from matplotlib.image import imread

from coupang_assets.datasets import REPORT_FILES
from coupang_assets.errors import CoupangAssetsError
from coupang_assets.evaluation import plots
from coupang_assets.evaluation.metrics import Evaluation, evaluate
from coupang_assets.evaluation.predictions import predicted_table, read_predictions
from coupang_assets.evaluation.report import markdown_report, write_report
from coupang_assets_tests.evaluation.rankings import ranking

PNG = b"\x89PNG\r\n"
MODEL: dict[str, str | int | float] = {"classifier": "biterm", "month": "2024_05", "bytes": 123456}


def judged(categories: int, titles: int = 400, tops: int = 5) -> Evaluation:
    """An evaluation of a classifier that errs in a third of the titles, in most cases to a neighbour."""
    chance = random.Random(5)
    codes = [f"{number:04}" for number in range(categories)]
    names = {code: (f"상위 {int(code) % tops}", f"분류 {code}") for code in codes}
    truth = [chance.choice(codes) for _ in range(titles)]
    best = [code if chance.random() < 0.67 else chance.choice(codes) for code in truth]
    predictions = [[(code, chance.random())] if chance.random() < 0.95 else [] for code in best]
    return evaluate(truth, *ranking(predictions), names)


def predicted(evaluation: Evaluation) -> pd.DataFrame:
    """A table of titles as many as were judged."""
    numbers = [str(number) for number in range(evaluation.titles)]
    titles = pd.DataFrame({"product_id": numbers, "ep_title": numbers, "category4": "0001"}, dtype=object)
    return predicted_table(titles, *ranking([[("0001", 0.5)] if int(n) % 2 else [] for n in numbers]))


def written(evaluation: Evaluation, folder: Path) -> dict[str, Path]:
    return {path.name: path for path in write_report(evaluation, predicted(evaluation), MODEL, folder)}


def test_the_report_has_its_files(tmp_path: Path) -> None:
    evaluation = judged(6)
    files = written(evaluation, tmp_path / "new" / "folder")
    assert tuple(files) == REPORT_FILES
    report = json.loads(files["report.json"].read_text())
    assert report["figures"]["accuracy"] == pytest.approx(evaluation.accuracy, abs=1e-6)
    assert report["model"] == MODEL
    assert [level["level"] for level in report["levels"]] == [1, 2]
    table = pd.read_csv(files["per_category.csv"], dtype={"code": str})
    assert table["code"].tolist() == evaluation.per_category["code"].tolist()
    pictures = [file for file in files.values() if file.suffix == ".png"]
    assert len(pictures) == 3 and all(file.read_bytes().startswith(PNG) for file in pictures)
    assert len(list((tmp_path / "new" / "folder").iterdir())) == len(files)


def test_the_page_stands_on_its_own(tmp_path: Path) -> None:
    evaluation = judged(40)
    page = written(evaluation, tmp_path)["report.html"].read_text()
    assert page.count('src="data:image/png;base64,') == 3
    assert re.findall(r'(?:src|href)="(?!data:)|https?://|@import|url\(', page) == [], "nothing is fetched"
    assert "biterm, 2024_05" in page and "Hierarchical F1" in page
    for code in evaluation.names:
        assert evaluation.label(code).replace(">", "&gt;") in page


def test_names_are_text_on_the_page_whatever_is_in_them(tmp_path: Path) -> None:
    names = {"1": ("<script>alert(1)</script>", "a&b")}
    page = written(evaluate(["1"], *ranking([[("1", 1.0)]]), names), tmp_path)["report.html"].read_text()
    assert "<script>alert" not in page and "&lt;script&gt;alert(1)&lt;/script&gt; &gt; a&amp;b" in page


def test_what_was_said_of_each_title_can_be_read_back(tmp_path: Path) -> None:
    evaluation = judged(6)
    path = written(evaluation, tmp_path)["predictions.parquet"]
    pd.testing.assert_frame_equal(read_predictions(path), predicted(evaluation), check_dtype=False)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(CoupangAssetsError, match="cannot be read"):
        read_predictions(path)


def test_same_bytes_in_another_process(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from coupang_assets_tests.evaluation import test_report as here;"
        "here.written(here.judged(6), Path(sys.argv[1]))"
    )
    environment = {"PYTHONHASHSEED": "3", "PYTHONPATH": str(Path(__file__).parents[2])}
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "there")], check=True, env=environment)
    for name, file in written(judged(6), tmp_path / "here").items():
        assert file.read_bytes() == (tmp_path / "there" / name).read_bytes(), name


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
    files = written(judged(categories, 12), tmp_path)
    for name in ("confusion.png", "accuracy_by_size.png", "reliability.png"):
        assert imread(files[name]).shape[0] > 300


def test_nothing_to_judge_is_stated(tmp_path: Path) -> None:
    evaluation = evaluate([], *ranking([]), {})
    files = written(evaluation, tmp_path)
    assert "no title" in json.loads(files["report.json"].read_text())["notice"]
    header = "code,path,trained,support,accuracy,accuracy_low,accuracy_high,precision,f1\n"
    assert files["per_category.csv"].read_text() == header
    assert files["confusion.png"].read_bytes().startswith(PNG)
    assert "no title" in files["report.html"].read_text()
    assert markdown_report(evaluation).startswith("> The test split has no title")


def test_markdown_names_the_confused_and_limits_rows() -> None:
    text = markdown_report(judged(30), max_rows=5)
    assert "| Accuracy |" in text and "### Most confused" in text and "(5 of 30)" in text
    evaluation = evaluate(["1", "2"], *ranking([[("2", 1.0)], []]), {"1": ("a|b", "c\nd")})
    assert r"a\|b > c d" in markdown_report(evaluation)


def test_korean_is_drawn_with_a_font_of_our_own_and_settings_are_left_alone(recwarn: pytest.WarningsRecorder) -> None:
    before = dict(matplotlib.rcParams)
    plots.confusion_heatmap(judged(4))
    plots.accuracy_by_size(judged(4))
    plots.reliability_curve(judged(4))
    assert dict(matplotlib.rcParams) == before
    assert not [warning for warning in recwarn if "Glyph" in str(warning.message)]
    assert "matplotlib.pyplot" not in sys.modules or matplotlib.pyplot.get_fignums() == []
