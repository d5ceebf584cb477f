"""Layout: names of the specification, and the base month over gaps and old spellings."""

from collections.abc import Callable
from pathlib import Path

import pytest

from coupang_assets.datasets import BTM_PERCENT_DICT, COUPANG_TRAIN, DATASETS, DEFINE_DAILIES
from coupang_assets.errors import CoupangAssetsError
from coupang_assets.settings import Settings
from coupang_assets.storage.layout import Layout


def dictionary_of(layout: Layout, folder: str) -> None:
    path = layout.root / "data" / folder / "coupang_cate_all.csv"
    path.parent.mkdir(parents=True)
    path.write_text("")


def test_files_are_called_as_in_the_specification(make_settings: Callable[..., Settings]) -> None:
    layout = Layout(make_settings(root=Path("/pkw/coupang_category"), training={"cap": 500}))
    assert layout.month_folder("2024_05") == Path("/pkw/coupang_category/data/2024_05")
    assert layout.file_names(COUPANG_TRAIN, "2024_05") == ["coupang_train_500_2024_05.csv"]
    assert layout.file_names(BTM_PERCENT_DICT, "2024_05")[0] == "btm_percent_dict_2024_05.pickle"
    assert layout.file_names(DEFINE_DAILIES, "2024_05")[:2] == ["define/20240401.csv", "define/20240405.csv"]
    assert all(layout.file_names(dataset, "2024_05") for dataset in DATASETS.values() if dataset.paths)


def test_the_first_month_has_no_base(layout: Layout) -> None:
    assert layout.base_month("2024_05") is None
    assert layout.skipped_months("2024_05", None) == []


def test_the_base_is_the_latest_earlier_month_with_a_dictionary(layout: Layout) -> None:
    for folder in ("2024_02", "2024-03", "2024_08", "notes", "2024_13"):
        dictionary_of(layout, folder)
    (layout.root / "data" / "2024_04").mkdir()
    assert layout.months_with_dictionary() == ["2024_02", "2024_03", "2024_08"]
    assert layout.base_month("2024_05") == "2024_03"
    assert layout.skipped_months("2024_05", "2024_03") == ["2024_04"]
    assert layout.base_month("2024_03") == "2024_02"
    assert layout.skipped_months("2024_03", "2024_02") == []


def test_another_base_may_be_named_in_either_spelling(layout: Layout) -> None:
    for folder in ("2024_02", "2024_03"):
        dictionary_of(layout, folder)
    assert layout.base_month("2024_05", "2024-02") == "2024_02"


@pytest.mark.parametrize("wanted", ["2024_05", "2024_06", "2024_01"])
def test_a_base_that_is_no_earlier_month_with_a_dictionary_is_refused(layout: Layout, wanted: str) -> None:
    for folder in ("2024_02", "2024_06"):
        dictionary_of(layout, folder)
    with pytest.raises(CoupangAssetsError, match=f"{wanted} cannot be the base month of 2024_05") as caught:
        layout.base_month("2024_05", wanted)
    assert "choose one of 2024_02" in caught.value.remedy


def test_a_base_that_is_no_month_is_refused(layout: Layout) -> None:
    with pytest.raises(CoupangAssetsError, match=r"'\.\./\.\./etc' is no month"):
        layout.base_month("2024_05", "../../etc")


def test_ours_goes_before_the_old_spelling(layout: Layout) -> None:
    dictionary_of(layout, "2024-03")
    assert layout.folder_on_disk("2024_03").name == "2024-03"
    dictionary_of(layout, "2024_03")
    assert layout.folder_on_disk("2024_03").name == "2024_03"
