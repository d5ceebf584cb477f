"""Real product names in the real category tree: `sample`, then two months, the second with categories new to it."""

from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from coupang_assets.cli import app
from coupang_assets.datasets import DATASETS
from coupang_assets.pipeline.categories import category_keys
from coupang_assets.settings import Settings
from coupang_assets.storage.csv_tables import read_frame
from coupang_assets_tests.months import failed_checks, failures, run_month, small_settings

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not SHARED.is_dir(), reason="the shared real data is not on this machine"),
]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    root = tmp_path_factory.mktemp("real") / "root"
    files = ["coupang_product_names.csv", "korean_products_36.csv"]
    products = [word for name in files for word in ("--products", str(SHARED / name))]
    result = CliRunner().invoke(
        app, ["sample", *products, "--tree", str(SHARED / "coupang_category_tree.csv"), "--out", str(root)]
    )
    assert result.exit_code == 0, result.output
    assert "left out" in result.output, "what matches nothing is counted"
    return small_settings(root, sample={"events_per_day": 4000}, sampling={"days": 4})


def test_two_months_of_real_products(settings: Settings) -> None:
    def table(month: str, name: str) -> pd.DataFrame:
        return read_frame(DATASETS[name], settings.root / "data" / month / DATASETS[name].paths[0])

    for month in ("2024_05", "2024_06"):
        result = run_month(settings, month)
        assert result.success, failures(result)
        # Several fifth levels of the tree share a category4 and so its code: their products' names may disagree.
        assert set(failed_checks(result)) <= {"products_agree_on_names"}

    first, second = (table(month, "updated_unique") for month in ("2024_05", "2024_06"))
    new = table("2024_06", "diff_data")
    assert len(new.dropna(subset="category4")), "the second month has categories that the first has not seen"
    assert not category_keys(new).isin(category_keys(first)).any()
    assert category_keys(first).isin(category_keys(second)).all()

    dictionary = table("2024_06", "cate_dictionary")
    assert {"우산", "양산"} & set(dictionary["lv4_name"]), "names are those of the tree"
    assert {"Makeup", "Food"} & set(dictionary["lv1_name"]), "and those that products bring"

    result = CliRunner().invoke(
        app, ["predict", "2024_06", "코멧 자외선 차단 대형 골프 장우산"], env={"COUPANG_ROOT": str(settings.root)}
    )
    assert result.exit_code == 0, result.output
    assert "우산" in result.output.split("\n", 1)[1], "an umbrella is found among the best"
