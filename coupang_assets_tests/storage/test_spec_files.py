"""The IO manager of spec files as Dagster calls it: what is taken, given, recorded and refused."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import ibis
import ibis.expr.types as ir
import pandas as pd
import pytest

from coupang_assets.crawling.journal import Answer, Attempt, JournalWriter
from coupang_assets.crawling.outcomes import Outcome
from coupang_assets.datasets import (
    BPE_TOKENIZER,
    BTM_PERCENT_DICT,
    COUPANG_TRAIN,
    CRAWL_JOURNAL,
    NEW_UNIQUE,
    RAW_DAILIES,
    UPDATED_UNIQUE,
)
from coupang_assets.errors import TransientError
from coupang_assets.settings import Settings
from coupang_assets.storage.layout import Layout
from coupang_assets.storage.manifest import manifest_path, read_manifest
from coupang_assets.storage.spec_files import AppendedFile, StagedFiles, staging_folder
from coupang_assets.storage.versions import record_journal, version_on_disk
from coupang_assets_tests.storage.materializing import MONTH, failure, metadata, read, write

EVENT = ["product_id", "ep_title", "category1", "category2", "category3", "category4"]


def unique(*codes: str) -> pd.DataFrame:
    rows = [("7", "제목", code, None, "0003", "0004", 2) for code in codes]
    return pd.DataFrame(rows, columns=[*EVENT, "count"])


def day(*products: str) -> ir.Table:
    rows = [(product, "제목", "0001", "0002", "0003", "0004") for product in products]
    return ibis.memtable(pd.DataFrame(rows, columns=EVENT), schema=dict.fromkeys(EVENT, "string"))


def bytes_of(layout: Layout) -> dict[str, bytes]:
    """Every file of the month but locks."""
    folder = layout.month_folder(MONTH)
    return {
        str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.suffix != ".lock"
    }


def test_a_frame_is_written_recorded_and_given_back(settings: Settings, layout: Layout) -> None:
    result = write(settings, NEW_UNIQUE, unique("0002", "0001"))
    assert result.success
    path = layout.month_folder(MONTH) / "new_unique.csv"
    recorded = metadata(result)
    assert recorded["dagster/row_count"].value == 2
    assert recorded["bytes"].value == path.stat().st_size
    assert recorded["path"].value == str(path)
    assert recorded["dagster/uri"].value == path.as_uri()
    assert [column.name for column in recorded["dagster/column_schema"].schema.columns] == [*EVENT, "count"]
    assert recorded["preview"].records[0].data["category1"] == "0001"
    manifest = read_manifest(layout.month_folder(MONTH), "new_unique")
    assert manifest is not None
    assert recorded["content hash"].value == manifest.data_version
    (event,) = result.get_asset_materialization_events()
    assert (event.materialization.tags or {})["dagster/data_version"] == manifest.data_version

    loaded, (frame,) = read(settings, NEW_UNIQUE, pd.DataFrame)
    assert loaded.success
    assert frame["category1"].tolist() == ["0001", "0002"]
    assert frame["count"].tolist() == [2, 2]


def test_the_same_rows_have_the_same_version_and_others_another(settings: Settings) -> None:
    first, same, other = (
        metadata(write(settings, NEW_UNIQUE, frame))["content hash"].value
        for frame in (unique("0001", "0002"), unique("0002", "0001"), unique("0001"))
    )
    assert first == same != other


def test_a_small_table_may_be_given_by_the_engine(settings: Settings) -> None:
    types = dict.fromkeys(EVENT, "string") | {"count": "int64"}
    assert write(settings, NEW_UNIQUE, ibis.memtable(unique("0001"), schema=types)).success
    assert (
        metadata(write(settings, NEW_UNIQUE, ibis.memtable(unique("0001"), schema=types)))["dagster/row_count"].value
        == 1
    )


@pytest.mark.parametrize("annotation", [ir.Table, Mapping[str, ir.Table], dict[str, ir.Table], list[Path]])
def test_daily_files_are_given_as_the_annotation_says(settings: Settings, annotation: Any) -> None:
    result = write(settings, RAW_DAILIES, {"20240401": day("1", "2"), "20240405": day("3")})
    recorded = metadata(result)
    assert recorded["dagster/row_count"].value == 3
    assert [record.data["path"] for record in recorded["files"].records] == ["raw/20240401.csv", "raw/20240405.csv"]
    found: dict[str, int] = {}

    def count(data: Any) -> None:
        if isinstance(data, ir.Table):
            found["all"] = data.count().execute()
        elif isinstance(data, list):
            found.update({path.stem: len(path.read_text().splitlines()) - 1 for path in data})
        else:
            found.update({name: table.count().execute() for name, table in data.items()})

    loaded = read(settings, RAW_DAILIES, annotation, got=count)
    assert loaded[0].success
    assert found in ({"all": 3}, {"20240401": 2, "20240405": 1})


def test_a_day_that_is_no_longer_sampled_goes_away_with_the_new_version(settings: Settings, layout: Layout) -> None:
    write(settings, RAW_DAILIES, {"20240401": day("1"), "20240405": day("2")})
    write(settings, RAW_DAILIES, {"20240405": day("2")})
    assert [path.name for path in (layout.month_folder(MONTH) / "raw").iterdir()] == ["20240405.csv"]


def test_a_large_single_file_is_given_as_a_table(settings: Settings) -> None:
    rows = ibis.memtable({"product_id": ["7"], "ep_title": ["제목"], "category4": ["0012"], "split": ["test"]})
    assert write(settings, COUPANG_TRAIN, rows).success
    codes: list[str] = []
    assert read(settings, COUPANG_TRAIN, ir.Table, got=lambda table: codes.extend(table.category4.execute()))[0].success
    assert codes == ["0012"]


def test_model_files_are_committed_together(settings: Settings, layout: Layout) -> None:
    def staged() -> StagedFiles:
        folder = staging_folder(layout, BTM_PERCENT_DICT, MONTH)
        for name in layout.file_names(BTM_PERCENT_DICT, MONTH):
            (folder / name).write_text(name)
        return StagedFiles(folder, rows={"btm_percent_dict_2024_05.parquet": 5})

    result = write(settings, BTM_PERCENT_DICT, staged)
    assert result.success
    assert metadata(result)["dagster/row_count"].value == 5
    assert not list(layout.month_folder(MONTH).glob(".*staging"))
    _, (first,) = read(settings, BTM_PERCENT_DICT, Path)
    assert first.read_text() == first.name == "btm_percent_dict_2024_05.pickle"


def test_a_model_file_that_was_not_made_leaves_the_old_model(settings: Settings, layout: Layout) -> None:
    def staged() -> StagedFiles:
        folder = staging_folder(layout, BPE_TOKENIZER, MONTH)
        if complete:
            (folder / "coupang_bpe_2024_05.model").write_text("model")
        return StagedFiles(folder)

    complete = True
    assert write(settings, BPE_TOKENIZER, staged).success
    before = bytes_of(layout)
    complete = False
    assert "coupang_bpe_2024_05.model" in failure(write(settings, BPE_TOKENIZER, staged))
    assert bytes_of(layout).items() >= before.items()


def test_a_journal_is_recorded_where_it_lies(settings: Settings, layout: Layout) -> None:
    path = layout.month_folder(MONTH) / "crawl" / "journal.jsonl"

    def appended() -> AppendedFile:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as journal:
            journal.write("{}\n")
        return AppendedFile(path, "what it says")

    versions = [metadata(write(settings, CRAWL_JOURNAL, appended))["content hash"].value for _ in range(2)]
    assert versions == ["what it says"] * 2, "the same answers are the same version, however often they were asked for"
    _, (found,) = read(settings, CRAWL_JOURNAL, Path)
    assert found == path


@pytest.mark.parametrize(
    ("dataset", "bad", "said"),
    [
        (NEW_UNIQUE, unique("12"), "canonical code"),
        (NEW_UNIQUE, unique("0001", "0001"), "2 rows share category1"),
        (NEW_UNIQUE, unique("0001").drop(columns="count"), "count"),
        (NEW_UNIQUE, None, "cannot be written from NoneType"),
        (NEW_UNIQUE, [1], "cannot be written from list"),
        (RAW_DAILIES, {}, "no day"),
        (RAW_DAILIES, {"20240401": day("1"), "20240405": day("2").drop("ep_title")}, "was given the columns"),
    ],
    ids=["code", "doubled", "column", "nothing", "type", "no day", "second day"],
)
def test_a_bad_output_fails_once_and_leaves_the_good_file_untouched(
    settings: Settings, layout: Layout, dataset: Any, bad: Any, said: str
) -> None:
    good = (
        {"20240401": day("1"), "20240405": day("2"), "20240409": day("3")} if dataset is RAW_DAILIES else unique("0009")
    )
    assert write(settings, dataset, good).success
    before = bytes_of(layout)
    result = write(settings, dataset, bad)
    assert said in failure(result)
    assert not any(event.is_step_up_for_retry for event in result.all_events)
    assert {name: data for name, data in bytes_of(layout).items() if not name.endswith(".tmp")} == before
    assert read(settings, dataset, list[Path])[0].success


def test_a_disk_that_is_full_is_said_and_the_good_file_stays(
    settings: Settings, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert write(settings, NEW_UNIQUE, unique("0009")).success
    before = bytes_of(layout)

    def full(*_: Any) -> int:
        raise OSError(28, "No space left on device", "new_unique.csv")

    with monkeypatch.context() as patched:
        patched.setattr("coupang_assets.storage.spec_files.write_frame", full)
        assert "no space left writing new_unique.csv; the previous version is untouched" in failure(
            write(settings, NEW_UNIQUE, unique("0001"))
        )
    assert bytes_of(layout) == before


def test_what_may_pass_is_tried_again(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def away_once(*args: Any) -> int:
        calls.append(time.monotonic())
        if len(calls) == 1:
            raise TransientError("the file server is away")
        from coupang_assets.storage.csv_tables import write_frame

        return write_frame(*args)

    monkeypatch.setattr("coupang_assets.storage.spec_files.write_frame", away_once)
    monkeypatch.setattr("coupang_assets.storage.failures.FIRST_WAIT_SECONDS", 0.1)
    result = write(settings, NEW_UNIQUE, unique("0001"))
    assert result.success
    assert len(calls) == 2
    assert calls[1] - calls[0] >= 0.08


def test_a_file_that_is_not_there_says_what_to_materialize(settings: Settings) -> None:
    told = failure(read(settings, NEW_UNIQUE, pd.DataFrame)[0])
    assert "new_unique of 2024_05 is not there" in told
    assert "materialize new_unique for 2024_05" in told


def test_a_file_changed_by_hand_is_read_with_a_warning_where_that_is_allowed(
    settings: Settings, layout: Layout
) -> None:
    columns = ["product_id", "category1", "category2", "category3", "category4"]
    write(settings, UPDATED_UNIQUE, unique("0001")[columns])
    path = layout.month_folder(MONTH) / "updated_unique.csv"
    path.write_text(",".join(columns) + "\n7,5,,3.0,4\n")
    result, (frame,) = read(settings, UPDATED_UNIQUE, pd.DataFrame)
    assert result.success
    assert frame["category1"].tolist() == ["0005"]
    path.write_text(",".join(columns) + "\n7,x,,3.0,4\n")
    assert f"{path}, line 2, column category1: 'x' is no category code" in failure(
        read(settings, UPDATED_UNIQUE, pd.DataFrame)[0]
    )


def test_an_annotation_we_do_not_know_is_told(settings: Settings) -> None:
    write(settings, NEW_UNIQUE, unique("0001"))
    assert "cannot be read as" in failure(read(settings, NEW_UNIQUE, int)[0])


def test_a_month_whose_files_changed_names_can_still_be_read(
    make_settings: Callable[..., Settings], layout: Layout
) -> None:
    rows = ibis.memtable({"product_id": ["7"], "ep_title": ["제목"], "category4": ["0012"], "split": ["test"]})
    write(make_settings(training={"cap": 10}), COUPANG_TRAIN, rows)
    write(make_settings(training={"cap": 20}), COUPANG_TRAIN, rows)
    assert [path.name for path in layout.month_folder(MONTH).glob("coupang_train*")] == ["coupang_train_20_2024_05.csv"]
    assert read(make_settings(training={"cap": 30}), COUPANG_TRAIN, list[Path])[0].success


def test_dagster_is_told_the_version_of_what_lies_there(settings: Settings, layout: Layout) -> None:
    assert isinstance(write(settings, NEW_UNIQUE, unique("0001")), dg.ExecuteInProcessResult)
    manifest = read_manifest(layout.month_folder(MONTH), "new_unique")
    assert manifest is not None
    assert manifest.code_version == "1"
    assert manifest.rows == 1
    assert manifest.base_month is None


def test_a_manifest_of_before_can_still_be_read(settings: Settings, layout: Layout) -> None:
    write(settings, NEW_UNIQUE, unique("0001"))
    folder = layout.month_folder(MONTH)
    manifest = read_manifest(folder, "new_unique")
    assert manifest is not None
    assert manifest.created is not None
    before = {"dataset", "month", "base_month", "run_id", "code_version", "data_version", "files"}
    manifest_path(folder, "new_unique").write_text(manifest.model_dump_json(include=before))
    old = read_manifest(folder, "new_unique")
    assert old is not None
    assert (old.inputs, old.settings, old.created, old.origin) == (None, {}, None, "materialized")
    assert read(settings, NEW_UNIQUE, pd.DataFrame)[0].success


def test_what_was_corrected_by_hand_is_another_version(settings: Settings, layout: Layout) -> None:
    columns = ["product_id", "category1", "category2", "category3", "category4"]
    write(settings, UPDATED_UNIQUE, unique("0001")[columns])
    written = version_on_disk(layout, UPDATED_UNIQUE, MONTH)
    path = layout.month_folder(MONTH) / "updated_unique.csv"
    text = path.read_text()
    path.write_text(text.replace("0001", "0005"))
    corrected = version_on_disk(layout, UPDATED_UNIQUE, MONTH)
    path.write_text(text)
    assert corrected != written == version_on_disk(layout, UPDATED_UNIQUE, MONTH)


def test_a_journal_with_answers_no_manifest_knows_is_read(settings: Settings, layout: Layout) -> None:
    path = layout.month_folder(MONTH) / "crawl" / "journal.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text("")
    assert write(settings, CRAWL_JOURNAL, AppendedFile(path, "recorded")).success
    assert version_on_disk(layout, CRAWL_JOURNAL, MONTH) == "recorded"
    attempt = Attempt.of(("0001", "0002", "0003", "0004"), "7", 1, Answer(outcome=Outcome.NAMED, names=("식품",)))
    with JournalWriter.open(path) as writer:
        writer.append(attempt)
    assert read(settings, CRAWL_JOURNAL, Path)[0].success
    killed = version_on_disk(layout, CRAWL_JOURNAL, MONTH)
    assert killed != "recorded"
    assert record_journal(layout, MONTH, "a run") == killed == version_on_disk(layout, CRAWL_JOURNAL, MONTH)
