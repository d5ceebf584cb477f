"""The models of real months: found, loaded, and never of another version than they say."""

from pathlib import Path

import pytest

from coupang_assets.datasets import BTM_PERCENT_DICT, CLASSIFIER_MODELS
from coupang_assets.errors import CoupangAssetsError
from coupang_assets.serving.choice import choose_model
from coupang_assets.serving.models import ModelVersion
from coupang_assets.serving.month_models import MonthModels
from coupang_assets.storage.layout import Layout
from coupang_assets.storage.locate import locate
from coupang_assets_tests.months import run_month, small_settings

MONTH = "2024_05"


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    settings = small_settings(tmp_path_factory.mktemp("serving") / "root")
    assert run_month(settings, MONTH).success
    return Layout(settings)


def test_a_months_model_answers_with_paths_of_its_dictionary(layout: Layout) -> None:
    models = MonthModels(layout)
    assert {version.classifier for version in models.versions()} == set(CLASSIFIER_MODELS)
    current = models.current()
    assert current.classifier == choose_model(layout, MONTH).name
    model = models.load(current)
    (predictions,) = model.predict(["여성 원피스"], 3)
    assert predictions and all(len(model.path(found.code)) == 4 for found in predictions)
    assert model.path("no such code") == ()


def test_a_pinned_model_that_is_not_there_is_told_with_those_that_are(layout: Layout) -> None:
    with pytest.raises(CoupangAssetsError) as told:
        MonthModels(layout, "2024_04/biterm").current()
    assert f"{MONTH}/biterm" in told.value.remedy


def test_a_version_that_has_been_replaced_is_not_loaded_under_its_name(layout: Layout) -> None:
    with pytest.raises(CoupangAssetsError, match="made anew"):
        MonthModels(layout).load(ModelVersion(MONTH, "biterm", "an older version"))


def test_a_damaged_model_is_refused(layout: Layout) -> None:
    models = MonthModels(layout)
    current = next(version for version in models.versions() if version.classifier == "biterm")
    pickle = locate(layout, BTM_PERCENT_DICT, MONTH).paths[0]
    whole = pickle.read_bytes()
    try:
        pickle.write_bytes(whole[:-1])
        with pytest.raises(CoupangAssetsError, match="not what was written"):
            models.load(current)
    finally:
        pickle.write_bytes(whole)


def test_without_any_model_it_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(CoupangAssetsError) as told:
        MonthModels(Layout(small_settings(tmp_path))).current()
    assert "coupang-assets run" in told.value.remedy
