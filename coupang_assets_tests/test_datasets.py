"""Datasets: that the specification's files are here under their names and with their columns."""

import pytest

from coupang_assets.datasets import CATEGORY_CODES, CATEGORY_NAMES, DATASETS, Dataset, Kind

CODES = ("category1", "category2", "category3", "category4")
SPECIFIED = {
    "raw_dailies": ("raw/{day}.csv", {"product_id", "ep_title", *CODES}),
    "new_unique": ("new_unique.csv", {"product_id", "ep_title", *CODES, "count"}),
    "diff_data": ("diff_data.csv", {"product_id", "ep_title", *CODES, "count"}),
    "coupang_cate_all": (
        "coupang_cate_all.csv",
        {"product_id", *CODES, "ep_title", "count", *(f"cate{n}_name" for n in range(1, 6))},
    ),
    "updated_unique": ("updated_unique.csv", {"product_id", *CODES}),
    "category_merge": ("category_merge.csv", {"category4", "merged_category4", "reason", "count"}),
    "define_dailies": ("define/{day}.csv", {"product_id", "ep_title", *CODES}),
    "cate_dictionary": ("cate_dictionary.csv", {f"lv{n}_{kind}" for n in range(1, 5) for kind in ("code", "name")}),
    "coupang_train": ("coupang_train_{cap}_{month}.csv", {"product_id", "ep_title", "category4", "split"}),
    "bpe_tokenizer": ("coupang_bpe_{month}.model", set()),
    "btm_percent_dict": ("btm_percent_dict_{month}.pickle", set()),
}


@pytest.mark.parametrize("name", SPECIFIED)
def test_files_and_columns_are_the_specified_ones(name: str) -> None:
    path, columns = SPECIFIED[name]
    assert DATASETS[name].paths[0] == path
    assert set(DATASETS[name].column_names) == columns


def test_the_hive_table_has_the_specified_columns_in_order() -> None:
    table = DATASETS["rt_category_info_coupang"]
    assert table.kind is Kind.HIVE
    assert [(column.name, column.type) for column in table.columns] == [
        *((f"lv{n}_code", "int32") for n in range(1, 5)),
        *((f"lv{n}_name", "string") for n in range(1, 5)),
    ]


@pytest.mark.parametrize("dataset", DATASETS.values(), ids=list(DATASETS))
def test_a_dataset_is_described_and_refers_to_columns_it_has(dataset: Dataset) -> None:
    assert dataset.description.endswith(".")
    assert len(set(dataset.column_names)) == len(dataset.columns)
    assert all(column.description for column in dataset.columns)
    assert {*dataset.sort, *(name for columns in dataset.unique for name in columns)} <= set(dataset.column_names)
    assert dataset.name == next(name for name, known in DATASETS.items() if known is dataset)


def test_two_datasets_never_share_a_file() -> None:
    paths = [path for dataset in DATASETS.values() for path in dataset.paths]
    assert len(set(paths)) == len(paths)


def test_what_a_person_corrects_is_the_dictionary_its_baseline_and_proposals() -> None:
    editable = {name for name, dataset in DATASETS.items() if dataset.editable}
    assert editable == {"coupang_cate_all", "updated_unique", "taxonomy_proposals"}


def test_codes_and_names_are_those_of_four_and_five_depths() -> None:
    assert CATEGORY_CODES == CODES
    assert tuple(f"cate{n}_name" for n in range(1, 6)) == CATEGORY_NAMES
