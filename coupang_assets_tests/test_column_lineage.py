"""Column lineage as data: whole, about columns that exist, along edges of the graph."""

import pytest

from coupang_assets.column_lineage import COLUMN_LINEAGE, EVENT_COLUMNS, EVENTS, JOURNAL_FIELDS, origins
from coupang_assets.datasets import DATASETS, Dataset
from coupang_assets_tests.test_graph import EDGES

WITH_COLUMNS = [dataset for dataset in DATASETS.values() if dataset.columns]


@pytest.mark.parametrize("dataset", WITH_COLUMNS, ids=lambda dataset: dataset.name)
def test_every_column_of_every_table_says_where_it_comes_from(dataset: Dataset) -> None:
    assert set(COLUMN_LINEAGE[dataset.name]) == set(dataset.column_names)


@pytest.mark.parametrize("name", COLUMN_LINEAGE)
def test_it_comes_from_columns_that_exist_along_edges_of_the_graph(name: str) -> None:
    known = {dataset.name: set(dataset.column_names) for dataset in WITH_COLUMNS}
    known |= {EVENTS: set(EVENT_COLUMNS), "crawl_journal": set(JOURNAL_FIELDS)}
    for sources in COLUMN_LINEAGE[name].values():
        for source in sources:
            upstream, _, column = source.partition(".")
            assert upstream in EDGES[name]
            assert column in known[upstream], source


@pytest.mark.parametrize(
    ("dataset", "column", "from_raw"),
    [
        ("rt_category_info_coupang", "lv1_code", {"category1"}),
        ("rt_category_info_coupang", "lv4_code", {"category4"}),
        ("rt_category_info_coupang", "lv1_name", {"product_id"}),  # The page of a product shows the names.
        ("cate_dictionary", "lv4_name", {"product_id"}),
        ("coupang_train", "ep_title", {"ep_title"}),
        ("coupang_train", "split", {"product_id", "ep_title"}),
    ],
)
def test_which_columns_of_the_events_end_where(dataset: str, column: str, from_raw: set[str]) -> None:
    assert origins(dataset, column) == from_raw
