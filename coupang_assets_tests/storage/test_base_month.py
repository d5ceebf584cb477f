"""The base month of a run: chosen once, recorded, and never two for one month."""

from collections.abc import Callable
from typing import Any

import dagster as dg
import pandas as pd
import pytest

from coupang_assets.assets.monthly import from_base_month
from coupang_assets.datasets import COUPANG_CATE_ALL, DIFF_DATA, UPDATED_UNIQUE
from coupang_assets.settings import Settings
from coupang_assets.storage.layout import Layout
from coupang_assets.storage.manifest import read_manifest
from coupang_assets.storage.spec_files import CHOSEN, RECORDED
from coupang_assets_tests.storage.materializing import PARTITIONS, failure, metadata, read, run, write

CODES = ["category1", "category2", "category3", "category4"]


def baseline(code: str) -> pd.DataFrame:
    return pd.DataFrame([("7", code, None, None, "0009")], columns=["product_id", *CODES])


def dictionary(code: str) -> pd.DataFrame:
    return baseline(code).reindex(columns=list(COUPANG_CATE_ALL.column_names)).assign(count=1)


def finished_month(settings: Settings, month: str, code: str) -> None:
    assert write(settings, UPDATED_UNIQUE, baseline(code), month).success
    assert write(settings, COUPANG_CATE_ALL, dictionary(code), month).success


def base_codes(settings: Settings, month: str, which: str = CHOSEN, base: str | None = None) -> list[str] | None:
    """category1 of the base month's baseline as ``month`` reads it; None where there is no base month."""
    result, got = read(settings, UPDATED_UNIQUE, pd.DataFrame | None, month, base, which=which)
    assert result.success, failure(result)
    return None if got[0] is None else got[0]["category1"].tolist()


def test_the_first_month_has_none(settings: Settings) -> None:
    assert base_codes(settings, "2024_01") is None
    assert base_codes(settings, "2024_05") is None, "nothing was made before, though the partition before exists"


def test_a_required_base_is_said_to_be_missing(settings: Settings) -> None:
    result, _ = read(settings, UPDATED_UNIQUE, pd.DataFrame, "2024_05", which=CHOSEN)
    assert "has no earlier month" in failure(result)


def test_it_is_the_month_before_or_over_a_gap_the_latest_earlier_one(settings: Settings) -> None:
    finished_month(settings, "2024_02", "0002")
    finished_month(settings, "2024_03", "0003")
    assert base_codes(settings, "2024_04") == ["0003"]
    assert base_codes(settings, "2024_07") == ["0003"]
    assert base_codes(settings, "2024_03") == ["0002"], "an earlier month made again does not look ahead"


def test_a_run_may_name_another(settings: Settings) -> None:
    finished_month(settings, "2024_02", "0002")
    finished_month(settings, "2024_03", "0003")
    assert base_codes(settings, "2024_04", base="2024-02") == ["0002"]
    result, _ = read(settings, UPDATED_UNIQUE, pd.DataFrame | None, "2024_04", "2024_09", which=CHOSEN)
    assert "2024_09 cannot be the base month of 2024_04" in failure(result)


def test_what_updated_unique_recorded_holds_for_the_rest_of_the_month(settings: Settings, layout: Layout) -> None:
    finished_month(settings, "2024_02", "0002")
    recorded = write(settings, UPDATED_UNIQUE, baseline("0005"), "2024_05")
    assert metadata(recorded)["base month"].value == "2024_02"
    assert metadata(recorded)["skipped months"].value == "2024_03, 2024_04"
    finished_month(settings, "2024_04", "0004")
    assert base_codes(settings, "2024_05", RECORDED) == ["0002"], "a month finished meanwhile does not mix in"
    assert base_codes(settings, "2024_05", CHOSEN) == ["0004"]
    written = write(settings, DIFF_DATA, dictionary("0005")[list(DIFF_DATA.column_names)], "2024_05")
    assert metadata(written)["base month"].value == "2024_02"
    manifest = read_manifest(layout.month_folder("2024_05"), "diff_data")
    assert manifest is not None
    assert manifest.base_month == "2024_02"


def test_the_first_month_says_that_it_has_none(settings: Settings) -> None:
    assert (
        "every category is new"
        in metadata(write(settings, UPDATED_UNIQUE, baseline("0005"), "2024_05"))["base month"].value
    )


@pytest.mark.parametrize("recorded", [None, "2024_02"])
def test_naming_another_than_the_recorded_one_is_refused(settings: Settings, recorded: str | None) -> None:
    if recorded:
        finished_month(settings, recorded, "0002")
    write(settings, UPDATED_UNIQUE, baseline("0005"), "2024_05")
    finished_month(settings, "2024_03", "0003")
    result, _ = read(settings, UPDATED_UNIQUE, pd.DataFrame | None, "2024_05", "2024_03", which=RECORDED)
    told = failure(result)
    assert f"updated_unique was made from {recorded or 'no base month'}" in told
    assert "select updated_unique" in told


def test_a_folder_written_before_us_is_a_base(settings: Settings, layout: Layout) -> None:
    folder = layout.root / "data" / "2024-04"
    folder.mkdir(parents=True)
    (folder / "updated_unique.csv").write_text(
        ",product_id,category1,category2,category3,category4\n0,7.0,12.0,,3.0,4.0\n1,8,13,,3,4\n", encoding="utf-8-sig"
    )
    (folder / "coupang_cate_all.csv").write_text("")
    assert base_codes(settings, "2024_05") == ["0012", "0013"]


DAMAGES: dict[str, tuple[Callable[[str], str], str]] = {
    "torn": (lambda text: text[:-4], "ends in the middle of a row"),
    "emptied": (lambda text: "", "is empty"),
    "column gone": (lambda text: text.replace("category4", "kategorie"), "missing columns: category4"),
    "code": (lambda text: text.replace("0004", "four"), "line 2, column category1: 'four' is no category code"),
    "doubled": (lambda text: text + text.split("\n")[1] + "\n", "share category1"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_base_month_names_file_and_place_and_nothing_is_written(
    settings: Settings, layout: Layout, damage: str
) -> None:
    finished_month(settings, "2024_04", "0004")
    path = layout.month_folder("2024_04") / "updated_unique.csv"
    change, said = DAMAGES[damage]
    path.write_text(change(path.read_text()))

    def use(base: Any) -> Any:
        return base

    use.__annotations__["base"] = pd.DataFrame | None
    asset = dg.asset(
        name="updated_unique",
        partitions_def=PARTITIONS,
        io_manager_key="spec_files",
        ins={"base": from_base_month(UPDATED_UNIQUE, CHOSEN)},
    )(use)
    told = failure(run(settings, [asset], "2024_05"))
    assert str(path) in told
    assert said in told
    assert not list(layout.month_folder("2024_05").glob("*.csv"))


def test_a_base_month_whose_baseline_is_gone_says_so(settings: Settings, layout: Layout) -> None:
    finished_month(settings, "2024_04", "0004")
    (layout.month_folder("2024_04") / "updated_unique.csv").unlink()
    result, _ = read(settings, UPDATED_UNIQUE, pd.DataFrame | None, "2024_05", which=CHOSEN)
    assert "updated_unique of 2024_04 is not there" in failure(result)
