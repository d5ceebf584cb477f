"""Settings: read from the environment, refused by the name they are set by, never repeating a value."""

from datetime import date
from pathlib import Path

import pytest

from coupang_assets.errors import CoupangAssetsError
from coupang_assets.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def folder_without_env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> CoupangAssetsError:
    monkeypatch.setenv(name, value)
    with pytest.raises(CoupangAssetsError) as caught:
        load_settings()
    return caught.value


def test_defaults_need_nothing(tmp_path: Path) -> None:
    settings = load_settings()
    assert settings.root == tmp_path / "coupang_category"
    assert settings.warehouse_folder == tmp_path / "coupang_category" / "warehouse"
    assert settings.shop.base_url is None
    assert settings.sample.enabled
    assert settings.training.cap == 3000
    assert not list(tmp_path.iterdir())


def test_environment_and_env_file_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("COUPANG_EVENTS__DAY_COLUMN=dt\nCOUPANG_TRAINING__CAP=7\nOTHER=1\n")
    monkeypatch.setenv("COUPANG_TRAINING__CAP", "9")
    monkeypatch.setenv("COUPANG_ROOT", "~/x")
    monkeypatch.setenv("HOME", str(tmp_path))
    settings = load_settings()
    assert settings.events.day_column == "dt"
    assert settings.training.cap == 9, "the environment goes before .env"
    assert settings.root == tmp_path / "x"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("COUPANG_EVENTS__DAY_COLUMN", "day' OR 1=1"),
        ("COUPANG_EVENTS__DAY_COLUMN", "day\nx"),
        ("COUPANG_EVENTS__DAY_COLUMN", "day\n"),
        ("COUPANG_EVENTS__CATEGORY4", "category4; DROP TABLE x"),
        ("COUPANG_EVENTS__EP_TITLE", "제목"),
        ("COUPANG_EVENTS__TABLE", "a.b.c"),
        ("COUPANG_EVENTS__TABLE", "../events"),
        ("COUPANG_DICTIONARY__TABLE", "t (x int) --"),
        ("COUPANG_DICTIONARY__LOCATION", "hdfs://ha/x' STORED AS TEXTFILE --"),
        ("COUPANG_DICTIONARY__LOCATION", "relative/folder"),
        ("COUPANG_ENGINE__MEMORY_LIMIT", "1GB'; ATTACH 'x"),
        ("COUPANG_ENGINE__THREADS", "0"),
        ("COUPANG_FIRST_MONTH", "2024-01"),
        ("COUPANG_FIRST_MONTH", "２０２４_01"),
        ("COUPANG_SAMPLING__STRIDE", "0"),
        ("COUPANG_SAMPLING__DAYS", "eight"),
        ("COUPANG_SHOP__BASE_URL", "ftp://shop"),
        ("COUPANG_SHOP__MINIMUM_NAMED_SHARE", "80"),
        ("COUPANG_TRAINING__CAP", "-1"),
        ("COUPANG_TRAINING__CAPP", "1"),
        ("COUPANG_WAREHOUSE__KIND", "oracle"),
    ],
)
def test_a_hostile_or_wrong_setting_is_refused_by_its_name(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = refused(monkeypatch, name, value)
    assert name in error.what
    assert ".env" in error.remedy


@pytest.mark.parametrize("name", ["COUPANG_OWNERS", "COUPANG_SAMPLING"])
def test_a_list_or_group_that_is_no_json_is_refused_too(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    error = refused(monkeypatch, name, "secret-value")
    assert name.removeprefix("COUPANG_").lower() in error.what
    assert "secret-value" not in str(error)


@pytest.mark.parametrize(
    "name", ["COUPANG_EVENTS__TABLE", "COUPANG_SHOP__BASE_URL", "COUPANG_DICTIONARY__LOCATION", "COUPANG_TRAINING__CAP"]
)
def test_values_are_not_repeated(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    error = refused(monkeypatch, name, "user:hunter2@'")
    assert "hunter2" not in str(error)
    assert error.__cause__ is None and error.__suppress_context__


def test_several_wrong_settings_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUPANG_TRAINING__CAP", "0")
    error = refused(monkeypatch, "COUPANG_SCHEDULE_DAY", "31")
    assert "COUPANG_TRAINING__CAP" in error.what
    assert "COUPANG_SCHEDULE_DAY" in error.what


def test_a_first_month_in_the_future_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    error = refused(monkeypatch, "COUPANG_FIRST_MONTH", f"{date.today().year + 1}_01")
    assert "first_month" in error.what


def test_settings_cannot_be_changed_under_way() -> None:
    settings = Settings(_env_file=None)
    with pytest.raises(ValueError, match="frozen"):
        settings.root = Path("/elsewhere")  # type: ignore[misc]


def test_production_table_and_location_are_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUPANG_DICTIONARY__LOCATION", "hdfs://ha-cluster/rt_category_info_coupang/logs")
    monkeypatch.setenv("COUPANG_EVENTS__TABLE", "ads.retargeting_event_storage_orc")
    monkeypatch.setenv("COUPANG_ROOT", "/pkw/coupang_category")
    assert load_settings().dictionary.location == "hdfs://ha-cluster/rt_category_info_coupang/logs"


@pytest.mark.parametrize("variable", ["PGHOST", "PGHOSTADDR", "PGSERVICE"])
def test_a_server_that_libpq_is_told_of_is_used(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().products.is_embedded
    monkeypatch.setenv(variable, "db.example")
    assert not load_settings().products.is_embedded
    monkeypatch.setenv("COUPANG_PRODUCTS__KIND", "embedded")
    assert load_settings().products.is_embedded


def test_the_product_table_is_the_specified_one() -> None:
    products = load_settings().products
    assert (products.database, products.schema_name, products.table) == ("danawa_crawlingdb", "public1", "products")
