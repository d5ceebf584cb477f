"""Whole months through the real graph: two in a row and one over a gap, again, and with everything that goes wrong."""

import http.server
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest
from pyarrow import orc

from coupang_assets.crawling.options import CrawlOptions
from coupang_assets.crawling.shop import RealShop
from coupang_assets.datasets import DATASETS, Kind
from coupang_assets.definitions import build_resources
from coupang_assets.settings import Settings
from coupang_assets.storage.csv_tables import read_frame
from coupang_assets.storage.layout import Layout
from coupang_assets.storage.manifest import read_manifest
from coupang_assets_tests.months import failed_checks, failures, files, made, metadata, run_month, small_settings

pytestmark = pytest.mark.slow

MONTHS = ["2024_05", "2024_06", "2024_08"]
NEW_TABLES = ["raw_dailies", "new_unique", "updated_unique", "diff_data"]

MONTHLY = [dataset for dataset in DATASETS.values() if not dataset.on_request]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return small_settings(tmp_path_factory.mktemp("chain") / "root")


@pytest.fixture(scope="module")
def chain(settings: Settings) -> dict[str, dg.ExecuteInProcessResult]:
    """Two consecutive months and one over a gap."""
    return {month: run_month(settings, month) for month in MONTHS}


@pytest.fixture
def copied(chain: object, settings: Settings, tmp_path: Path) -> Settings:
    """A root of its own with the finished months, for a test that damages them."""
    shutil.copytree(settings.root, tmp_path / "root")
    return small_settings(tmp_path / "root")


def table(settings: Settings, name: str, month: str) -> pd.DataFrame:
    return read_frame(DATASETS[name], settings.root / "data" / month / DATASETS[name].paths[0])


@pytest.mark.parametrize("month", MONTHS)
def test_a_month_makes_every_dataset_and_passes_every_check(
    chain: dict[str, dg.ExecuteInProcessResult], settings: Settings, month: str
) -> None:
    result = chain[month]
    assert result.success, failures(result)
    assert made(result) == {dataset.name for dataset in MONTHLY}
    assert failed_checks(result) == []
    assert len(result.get_asset_check_evaluations()) == 10


def test_every_version_says_what_it_was_made_from(chain: object, settings: Settings) -> None:
    june, may = (Layout(settings).month_folder(month) for month in ("2024_06", "2024_05"))
    of = {name: read_manifest(june, name) for name in (dataset.name for dataset in MONTHLY)}
    before = {name: read_manifest(may, name) for name in of}
    for name, upstream in {
        "new_unique": ["raw_dailies@2024_06"],
        "updated_unique": ["new_unique@2024_06", "updated_unique@2024_05"],
        "diff_data": ["new_unique@2024_06", "updated_unique@2024_05"],
        "coupang_cate_all": ["coupang_cate_all@2024_05", "crawl_journal@2024_06", "diff_data@2024_06"],
        "rt_category_info_coupang": ["cate_dictionary@2024_06"],
        "bpe_tokenizer": ["coupang_train@2024_06"],
    }.items():
        manifest = of[name]
        assert manifest is not None and manifest.inputs is not None
        read = {"2024_06": of, "2024_05": before}
        made = {key: read[key.partition("@")[2]][key.partition("@")[0]] for key in upstream}
        assert manifest.inputs == {key: one.data_version for key, one in made.items() if one}
    raw, journal, table = (of[name] for name in ("raw_dailies", "crawl_journal", "rt_category_info_coupang"))
    assert raw is not None and raw.inputs is not None and list(raw.inputs) == ["retargeting_event_storage_orc@2024_06"]
    assert raw.settings["sampling.days"] == 2
    assert journal is not None and journal.inputs is not None
    assert {"crawl_journal@2024_05", "coupang_shop@2024_06"} < set(journal.inputs)
    assert [record.path for record in journal.files] == ["crawl/journal.jsonl"]
    assert table is not None and table.location == str(
        settings.warehouse_folder / "rt_category_info_coupang" / "day=20240601"
    )
    assert table.files == []
    assert table.rows == dictionary_rows(settings)
    train, tokenizer = of["coupang_train"], of["bpe_tokenizer"]
    assert train is not None and train.settings["training.cap"] == 3000
    assert tokenizer is not None and list(tokenizer.libraries) == ["sentencepiece"]
    assert {(one.origin, one.base_requested) for one in of.values() if one} == {("materialized", False)}


def dictionary_rows(settings: Settings) -> int:
    return len(table(settings, "cate_dictionary", "2024_06"))


@pytest.mark.parametrize("month", MONTHS)
def test_every_file_of_the_specification_is_there(chain: object, settings: Settings, month: str) -> None:
    layout = Layout(settings)
    folder = layout.month_folder(month)
    specified = {name for dataset in MONTHLY if dataset.paths for name in layout.file_names(dataset, month)}
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert {name for name in found if not name.startswith(".")} == specified
    assert not [name for name in found if name.endswith(".tmp")], "nothing half is left"
    for dataset in MONTHLY:
        if dataset.kind is Kind.CSV and not dataset.large:
            assert len(table(settings, dataset.name, month)), dataset.name
    partition = settings.warehouse_folder / "rt_category_info_coupang" / f"day={month.replace('_', '')}01"
    assert [path.name for path in partition.iterdir()] == ["000000_0.parquet"]


def test_each_month_is_made_from_the_one_before_also_over_a_gap(
    chain: dict[str, dg.ExecuteInProcessResult], settings: Settings
) -> None:
    based = {month: metadata(chain[month], "updated_unique")["base month"].value for month in MONTHS}
    assert based == {"2024_05": "none: every category is new", "2024_06": "2024_05", "2024_08": "2024_06"}
    assert metadata(chain["2024_08"], "coupang_cate_all")["skipped months"].value == "2024_07"
    known: set[tuple[str, ...]] = set()
    for month in MONTHS:
        new = {tuple(row) for row in keys(table(settings, "diff_data", month))}
        month_categories = {tuple(row) for row in keys(table(settings, "new_unique", month))}
        assert new == month_categories - known
        assert new, "the sample brings new categories every month"
        known |= month_categories
        for name in ("updated_unique", "coupang_cate_all"):
            assert {tuple(row) for row in keys(table(settings, name, month))} == known


def keys(frame: pd.DataFrame) -> list[list[str]]:
    return frame[["category1", "category2", "category3", "category4"]].fillna("").to_numpy().tolist()


def test_rows_are_those_of_the_source_and_the_merge_accounts_for_them(chain: object, settings: Settings) -> None:
    month = settings.root / "data" / "2024_05"
    source = settings.warehouse_folder / "retargeting_event_storage_orc"
    for day in ("20240401", "20240405"):
        events = orc.read_table(source / f"day={day}" / "000000_0.orc").to_pandas()
        raw, refined = (pd.read_csv(month / kind / f"{day}.csv", dtype=str) for kind in ("raw", "define"))
        assert len(raw) == len(refined) == (events["rt_cd"] == 300).sum()
        assert sorted(raw["product_id"]) == sorted(refined["product_id"])
    merge = table(settings, "category_merge", "2024_05")
    assert merge["count"].sum() == sum(len(pd.read_csv(path, dtype=str)) for path in (month / "raw").iterdir())


def test_what_a_run_read_of_the_source_is_recorded(chain: dict[str, dg.ExecuteInProcessResult]) -> None:
    observed = chain["2024_05"].get_asset_observation_events()
    assert {event.asset_key for event in observed} == {
        dg.AssetKey("retargeting_event_storage_orc"),
        dg.AssetKey("accepted_merges"),
    }
    assert {event.partition for event in observed} == {"2024_05"}


def test_the_same_months_again_are_the_same_bytes(chain: object, settings: Settings) -> None:
    before = files(settings.root)
    for month in MONTHS[:2]:
        result = run_month(settings, month)
        assert result.success, failures(result)
    assert files(settings.root) == before


def of_may(settings: Settings) -> dict[str, str]:
    """Files that a root with nothing but 2024_05 has."""
    return {
        name: digest
        for name, digest in files(settings.root).items()
        if name.startswith("data/2024_05/") or "day=20240501" in name
    }


def test_another_root_gets_the_same_bytes(chain: object, settings: Settings, tmp_path: Path) -> None:
    other = small_settings(tmp_path / "다른 root's", engine={"threads": 1})
    result = run_month(other, "2024_05")
    assert result.success, failures(result)
    assert files(other.root) == of_may(settings)


# The source


@pytest.fixture
def own_source(tmp_path: Path) -> Settings:
    """A warehouse of which one sampled day is missing, and that is not filled by the sample."""
    settings = small_settings(tmp_path / "root", sampling={"days": 3})
    build_resources(settings)["warehouse"].event_days(["20240401", "20240405"])
    return small_settings(tmp_path / "root", sampling={"days": 3}, sample={"enabled": False})


def with_fewer_days(settings: Settings) -> Settings:
    return settings.model_copy(update={"sampling": settings.sampling.model_copy(update={"allow_missing_days": True})})


def empty_day(settings: Settings, day: str) -> None:
    folder = settings.warehouse_folder / "retargeting_event_storage_orc"
    events = orc.read_table(folder / "day=20240401" / "000000_0.orc")
    (folder / f"day={day}").mkdir(exist_ok=True)
    orc.write_table(events.slice(0, 0), folder / f"day={day}" / "000000_0.orc")


@pytest.mark.parametrize("empty", [False, True])
def test_a_missing_or_empty_day_stops_the_month_unless_fewer_days_are_allowed(
    own_source: Settings, empty: bool
) -> None:
    if empty:
        empty_day(own_source, "20240409")
    result = run_month(own_source, "2024_05", ["raw_dailies", "new_unique"])
    told = failures(result)["raw_dailies"]
    assert ("day 20240409" if empty else "no partition for 20240409") in told
    assert "COUPANG_SAMPLING__ALLOW_MISSING_DAYS=true" in told
    assert not list((own_source.root / "data").rglob("*.csv"))

    allowed = run_month(with_fewer_days(own_source), "2024_05", ["raw_dailies", "new_unique"])
    assert allowed.success
    assert metadata(allowed, "raw_dailies")["days missing"].value == "20240409"
    raw = own_source.root / "data" / "2024_05" / "raw"
    assert sorted(path.name for path in raw.iterdir()) == ["20240401.csv", "20240405.csv"]


def test_a_month_without_any_day_fails_even_where_fewer_are_allowed(own_source: Settings) -> None:
    result = run_month(with_fewer_days(own_source), "2024_04", ["raw_dailies"])
    assert "no sampled day of 2024_04 has data" in failures(result)["raw_dailies"]


def test_a_torn_day_leaves_the_month_that_was_good(own_source: Settings) -> None:
    settings = with_fewer_days(own_source)
    assert run_month(settings, "2024_05", ["raw_dailies"]).success
    before = files(settings.root)
    file = settings.warehouse_folder / "retargeting_event_storage_orc" / "day=20240405" / "000000_0.orc"
    data = file.read_bytes()
    for torn in (data[: len(data) // 2], data[:200] + bytes(len(data) // 2) + data[200 + len(data) // 2 :]):
        file.write_bytes(torn)
        told = failures(run_month(settings, "2024_05", ["raw_dailies"]))["raw_dailies"]
        assert "20240405" in told
        assert "Traceback" not in told
        assert files(settings.root) == before
    file.write_bytes(data)
    assert run_month(settings, "2024_05", ["raw_dailies"]).success
    assert files(settings.root) == before


# The shop


class Refusing(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(404 if self.path == "/robots.txt" else 403)
        self.end_headers()
        self.wfile.write(b"<HTML><HEAD><TITLE>Access Denied</TITLE></HEAD></HTML>")

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def refusing_shop() -> Iterator[RealShop]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield RealShop(
                CrawlOptions(
                    f"http://127.0.0.1:{server.server_port}", delay_s=0, backoff_s=0, retries=0, autothrottle=False
                )
            )
        finally:
            server.shutdown()


def test_a_shop_that_refuses_stops_the_month_and_a_later_run_completes_it(
    chain: object, settings: Settings, tmp_path: Path
) -> None:
    refused = small_settings(tmp_path / "root")
    with refusing_shop() as shop:
        result = run_month(refused, "2024_05", resources={"shop": shop})
    assert not result.success
    assert failed_checks(result) == ["new_categories_named"]
    assert made(result) == {*NEW_TABLES, "crawl_candidates", "crawl_journal", "coupang_cate_all"}
    left = {Path(name).name for name in files(refused.root)}
    assert left.isdisjoint({"category_merge.csv", "cate_dictionary.csv", "000000_0.parquet"})
    assert not (refused.root / "data" / "2024_05" / "define").exists()

    result = run_month(refused, "2024_05")
    assert result.success, failures(result)
    assert failed_checks(result) == []
    assert files(refused.root) == of_may(settings), "as if it had never been refused"


# The base month


def test_a_base_month_that_was_damaged_stops_before_anything_is_written(copied: Settings) -> None:
    before = files(copied.root)
    path = copied.root / "data" / "2024_05" / "coupang_cate_all.csv"
    good = path.read_bytes()
    for bad, said in ((good[:-5], "torn"), (good.replace(b",0", b",x", 1), "is no category code"), (b"", "is empty")):
        path.write_bytes(bad)
        result = run_month(copied, "2024_06", ["coupang_cate_all"])
        assert str(path) in failures(result)["coupang_cate_all"]
        assert said in failures(result)["coupang_cate_all"]
    path.write_bytes(good)
    assert run_month(copied, "2024_06", ["coupang_cate_all"]).success
    assert files(copied.root) == before


def test_a_correction_by_hand_is_taken_into_the_next_month(copied: Settings) -> None:
    path = copied.root / "data" / "2024_05" / "coupang_cate_all.csv"
    path.write_text(path.read_text().replace("식품", "먹거리"))
    assert run_month(copied, "2024_06", ["coupang_cate_all"]).success
    names = table(copied, "coupang_cate_all", "2024_06").set_index("category4")["cate1_name"]
    assert (names == "먹거리").any()


def test_another_base_month_is_taken_for_all_datasets_or_refused(copied: Settings) -> None:
    result = run_month(copied, "2024_08", ["diff_data"], base="2024_05")
    assert "select updated_unique" in failures(result)["diff_data"]
    result = run_month(
        copied, "2024_08", [*NEW_TABLES, "coupang_cate_all", "crawl_candidates", "crawl_journal"], "2024_05"
    )
    assert result.success, failures(result)
    assert metadata(result, "coupang_cate_all")["base month"].value == "2024_05"
    assert metadata(result, "coupang_cate_all")["skipped months"].value == "2024_06, 2024_07"


def test_a_month_written_before_us_is_a_base_month(copied: Settings) -> None:
    data = copied.root / "data"
    shutil.rmtree(data / "2024_06")
    shutil.rmtree(data / "2024_08")
    before_us = data / "2024-05"
    before_us.mkdir()
    for name in ("updated_unique", "coupang_cate_all"):
        frame = pd.read_csv(data / "2024_05" / f"{name}.csv", dtype={"product_id": str})
        frame.to_csv(before_us / f"{name}.csv", encoding="utf-8-sig")
    shutil.rmtree(data / "2024_05")
    result = run_month(copied, "2024_06")
    assert result.success, failures(result)
    assert failed_checks(result) == []
    assert metadata(result, "coupang_cate_all")["base month"].value == "2024_05"


def test_a_file_of_the_machine_that_was_changed_is_not_built_upon(copied: Settings) -> None:
    path = copied.root / "data" / "2024_05" / "cate_dictionary.csv"
    path.write_text(path.read_text().replace("식품", "먹거리"))
    result = run_month(copied, "2024_05", ["rt_category_info_coupang"])
    assert f"{path} is not what was written" in failures(result)["rt_category_info_coupang"]
    assert "materialize cate_dictionary for 2024_05 again" in failures(result)["rt_category_info_coupang"]


def test_the_sampled_days_are_the_specified_ones(settings: Settings, chain: object) -> None:
    assert [path.name for path in sorted((settings.root / "data" / "2024_06" / "raw").iterdir())] == [
        f"{day:%Y%m%d}.csv" for day in (date(2024, 5, 1), date(2024, 5, 5))
    ]
