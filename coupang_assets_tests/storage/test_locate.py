"""Locating: missing, changed by hand, written before us."""

from pathlib import Path

import pytest

from coupang_assets.datasets import CATE_DICTIONARY, RAW_DAILIES, UPDATED_UNIQUE, Dataset
from coupang_assets.errors import CoupangAssetsError
from coupang_assets.storage.commit import commit, dataset_lock, temporary_name
from coupang_assets.storage.layout import Layout
from coupang_assets.storage.locate import locate
from coupang_assets.storage.manifest import Manifest, manifest_path, record_file

MONTH = "2024_05"


def written(layout: Layout, dataset: Dataset, names: list[str]) -> list[Path]:
    folder = layout.month_folder(MONTH)
    with dataset_lock(folder, dataset.name):
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            temporary_name(folder / name).write_text(f"{name}\n")
        records = [record_file(temporary_name(folder / name), name) for name in names]
        commit(
            folder,
            Manifest(dataset=dataset.name, month=MONTH, run_id="r", code_version="c", data_version="v", files=records),
        )
    return [folder / name for name in names]


def test_what_we_wrote_is_trusted(layout: Layout) -> None:
    paths = written(layout, CATE_DICTIONARY, ["cate_dictionary.csv"])
    located = locate(layout, CATE_DICTIONARY, MONTH)
    assert located.paths == paths
    assert located.trusted
    assert located.manifest is not None


def test_touching_a_file_changes_nothing(layout: Layout) -> None:
    (path,) = written(layout, CATE_DICTIONARY, ["cate_dictionary.csv"])
    path.touch()
    assert locate(layout, CATE_DICTIONARY, MONTH).trusted


@pytest.mark.parametrize("manifest", [True, False])
def test_a_missing_file_is_named_with_the_remedy(layout: Layout, manifest: bool) -> None:
    if manifest:
        written(layout, CATE_DICTIONARY, ["cate_dictionary.csv"])[0].unlink()
    with pytest.raises(
        CoupangAssetsError, match=r"cate_dictionary of 2024_05 is not there: .*cate_dictionary\.csv"
    ) as caught:
        locate(layout, CATE_DICTIONARY, MONTH)
    assert caught.value.remedy == "materialize cate_dictionary for 2024_05: coupang-assets run 2024_05"


@pytest.mark.parametrize("text", ["cate_dictionary.csw\n", "cate_dict", ""])
def test_a_file_made_by_the_machine_may_not_be_changed(layout: Layout, text: str) -> None:
    (path,) = written(layout, CATE_DICTIONARY, ["cate_dictionary.csv"])
    path.write_text(text)
    with pytest.raises(CoupangAssetsError, match=r"cate_dictionary\.csv is not what was written"):
        locate(layout, CATE_DICTIONARY, MONTH)


def test_a_file_a_person_may_correct_is_read_without_trust(layout: Layout) -> None:
    (path,) = written(layout, UPDATED_UNIQUE, ["updated_unique.csv"])
    path.write_text("corrected\n")
    located = locate(layout, UPDATED_UNIQUE, MONTH)
    assert not located.trusted
    assert located.manifest is not None


def test_days_are_those_that_were_written_not_those_we_would_sample_today(layout: Layout) -> None:
    paths = written(layout, RAW_DAILIES, ["raw/20240401.csv", "raw/20240402.csv"])
    assert locate(layout, RAW_DAILIES, MONTH).paths == paths


def test_a_folder_written_before_us_has_the_days_it_has(layout: Layout) -> None:
    folder = layout.root / "data" / "2024-05" / "raw"
    folder.mkdir(parents=True)
    for name in ("20240407.csv", "20240403.csv", "notes.csv", ".20240405.csv.tmp"):
        (folder / name).write_text("x\n")
    located = locate(layout, RAW_DAILIES, MONTH)
    assert [path.name for path in located.paths] == ["20240403.csv", "20240407.csv"]
    assert not located.trusted
    assert located.manifest is None


def test_a_damaged_manifest_says_what_to_delete(layout: Layout) -> None:
    written(layout, CATE_DICTIONARY, ["cate_dictionary.csv"])
    path = manifest_path(layout.month_folder(MONTH), CATE_DICTIONARY.name)
    path.write_text('{"dataset": "cate_')
    with pytest.raises(CoupangAssetsError, match=r"cate_dictionary\.json cannot be read") as caught:
        locate(layout, CATE_DICTIONARY, MONTH)
    assert caught.value.remedy == "delete it and materialize cate_dictionary again"
