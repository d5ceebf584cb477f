"""The e5 assets: made on request, watched while they train, and clear where the extra is missing."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pytest

from coupang_assets.classifiers.e5.classifier import CategoryClassifier
from coupang_assets.definitions import E5_JOB, build_defs
from coupang_assets.settings import Settings
from coupang_assets_tests.classifiers.titles import made

from coupang_assets_tests.months import failures, made as made_datasets, run_month, small_settings  # isort: skip

MONTH = "2024_05"
TINY = {"weights": "untrained", "batch": 16, "accumulation": 1, "length": 24, "epochs": 2, "device": "cpu"}


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with a small month that holds a training set."""
    root = tmp_path_factory.mktemp("e5") / "root"
    assert run_month(small_settings(root), MONTH).success
    return root


@pytest.fixture(scope="module")
def products(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Products as the export writes them: a BOM, line breaks in fields, columns nobody asked for."""
    rows = made(60).rename(columns={"ep_title": "name", "category4": "category"}).drop(columns="split")
    tops = rows["category"].map({"0012": "beauty", "0034": "devices", "0560": "food"})
    rows = rows.assign(id=range(len(rows)), manufacturer="제조사", top_category=tops, description="a\nb")
    path = tmp_path_factory.mktemp("products") / "products_all.csv"
    rows.to_csv(path, index=False, encoding="utf-8-sig")
    return path


def run_e5(root: Path, instance: dg.DagsterInstance, select: list[str] | None = None, **e5: Any) -> Any:
    job = build_defs(small_settings(root, e5={**TINY, **e5})).resolve_job_def(E5_JOB)
    return job.execute_in_process(
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        partition_key=MONTH,
        instance=instance,
        raise_on_error=False,
        asset_selection=[dg.AssetKey(name) for name in select] if select else None,
    )


@pytest.mark.slow
def test_products_become_a_model_its_export_and_its_report(month: Path, products: Path) -> None:
    pytest.importorskip("torch")
    with dg.instance_for_test() as instance:
        result = run_e5(month, instance, products=products, top_column="top_category", epochs=4)
        assert not failures(result)
        assert made_datasets(result) == {"e5_labelled_text", "e5_model", "e5_onnx", "e5_report"}
        seen = instance.fetch_observations(dg.AssetKey("e5_model"), limit=10).records
        epochs = [record.asset_observation.metadata for record in seen if record.asset_observation]
        assert {epoch["epoch"].value for epoch in epochs} >= {1, 2}
        assert all(0 <= epoch["validation F1"].value <= 1 for epoch in epochs)
    folder = month / "data" / MONTH / "e5"
    text = pd.read_csv(folder / "e5_labelled_text.csv")["ep_title"]
    assert text.str.endswith(" | 제조사").all()
    assert CategoryClassifier(folder).predict("촉촉한 매트 립스틱", "제조사")[0].code == "0012"
    assert {file.name for file in (folder / "report").iterdir()} >= {
        "report.json",
        "errors.md",
        "predictions.parquet",
        "hierarchy.json",
    }
    assert not list(folder.parent.glob(".e5*")), "no checkpoint and no staging folder is left"


@pytest.mark.slow
def test_the_months_training_set_is_what_it_learns_from_otherwise(month: Path) -> None:
    pytest.importorskip("torch")
    with dg.instance_for_test() as instance:
        result = run_e5(month, instance, ["e5_labelled_text", "e5_model"], epochs=1)
        assert not failures(result)
        (event,) = [
            one.materialization
            for one in result.get_asset_materialization_events()
            if one.asset_key == dg.AssetKey("e5_model")
        ]
    assert event.metadata["top categories"].value > 1
    assert "Chosen" in event.metadata["memory plan"].value


@pytest.mark.slow
def test_without_the_extra_the_graph_loads_and_the_model_says_what_to_install(
    month: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "torch" else found(name, *more)
    )
    with dg.instance_for_test() as instance:
        result = run_e5(month, instance, ["e5_labelled_text", "e5_model"])
    assert "pip install 'coupang-assets[e5]'" in failures(result)["e5_model"]
    assert made_datasets(result) == {"e5_labelled_text"}


def test_no_e5_dataset_is_part_of_the_month(settings: Settings) -> None:
    defs = build_defs(settings)
    of_month = {key.to_user_string() for key in defs.resolve_job_def("month").asset_layer.selected_asset_keys}
    on_request = {key.to_user_string() for key in defs.resolve_job_def(E5_JOB).asset_layer.selected_asset_keys}
    assert on_request == {"e5_labelled_text", "e5_model", "e5_onnx", "e5_report"}
    assert not of_month & on_request
