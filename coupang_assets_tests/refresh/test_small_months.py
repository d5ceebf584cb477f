"""The same with the real graph on two small months: real files, real runs, Dagster's own record."""

from pathlib import Path

import dagster as dg
import pandas as pd
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest
from pyarrow import orc

from coupang_assets.definitions import RECHECK_JOB
from coupang_assets.refresh.loop import Outcome
from coupang_assets.refresh.plan import State
from coupang_assets_tests.crawling.shop import page_2025
from coupang_assets_tests.months import files
from coupang_assets_tests.refresh.conftest import JUNE, MAY, SmallMonths, path_of
from coupang_assets_tests.refresh.test_chain import FROM_DICTIONARY, STEP_6, of

pytestmark = pytest.mark.slow


def states(months: SmallMonths, month: str) -> dict[str, State]:
    return {status.name: status.state for status in months.status(MAY, JUNE).values() if status.month == month}


def stale_in_dagster(months: SmallMonths, *names: str) -> set[tuple[str, str]]:
    """What Dagster's own record takes for stale."""
    context = LoadingContextForTest(months.instance)
    resolver = CachingStaleStatusResolver(months.instance, months.defs().resolve_asset_graph(), context)
    return {
        (month, name)
        for month in (MAY, JUNE)
        for name in names
        if resolver.get_status(dg.AssetKey(name), month) is not StaleStatus.FRESH
    }


def test_a_finished_month_is_fresh_for_us_and_for_dagster_and_nothing_is_run(months: SmallMonths) -> None:
    assert set(states(months, MAY).values()) == set(states(months, JUNE).values()) == {State.FRESH}
    assert stale_in_dagster(months, *states(months, MAY)) == set()
    runs = months.instance.get_runs_count()
    assert months.ran(MAY, JUNE) == set()
    assert months.instance.get_runs_count() == runs


def test_the_training_cap_makes_the_training_set_and_what_follows(months: SmallMonths) -> None:
    before = files(months.settings.root)
    months.defs(training={"cap": 2})
    assert states(months, MAY)["coupang_train"] is State.SETTINGS
    assert (MAY, "coupang_train") in stale_in_dagster(months, "coupang_train")
    assert months.ran(MAY, JUNE) == of([MAY, JUNE], STEP_6)
    assert stale_in_dagster(months, *STEP_6) == set()
    changed = {name for name, digest in files(months.settings.root).items() if before.get(name) != digest}
    earlier = ("raw/", "define/", "crawl/", "warehouse/", "unique", "diff_data", "cate_all", "merge", "cate_dictionary")
    assert not [name for name in changed if any(part in name for part in earlier)]
    for made in ("coupang_train_2_", "coupang_bpe_", "btm_percent_dict_", "svm_", "report/biterm/"):
        assert {name.split("/")[1] for name in changed if made in name} == {MAY, JUNE}, made


def test_new_rows_in_one_day_make_exactly_its_month_stale(months: SmallMonths) -> None:
    day = months.settings.warehouse_folder / "retargeting_event_storage_orc" / "day=20240501" / "000000_0.orc"
    events = orc.read_table(day)
    ours = next(row for row, code in enumerate(events["rt_cd"].to_pylist()) if code == 300)
    import pyarrow as pa

    orc.write_table(pa.concat_tables([events, events.slice(ours, 1)]), day)
    assert states(months, JUNE)["raw_dailies"] is State.SOURCE
    assert set(states(months, MAY).values()) == {State.FRESH}
    ran = months.ran(MAY, JUNE)
    assert {month for month, _ in ran} == {JUNE}
    assert {(JUNE, "raw_dailies"), (JUNE, "new_unique"), (JUNE, "define_dailies")} <= ran
    assert (JUNE, "bpe_tokenizer") not in ran, "a repeated row changes no training set"
    assert months.ran(MAY, JUNE) == set()


def test_a_source_that_is_written_again_with_the_same_data_changes_nothing(months: SmallMonths) -> None:
    day = months.settings.warehouse_folder / "retargeting_event_storage_orc" / "day=20240501" / "000000_0.orc"
    day.write_bytes(day.read_bytes())
    assert months.ran(MAY, JUNE) == set()


@pytest.mark.parametrize("name", ["new_unique", "coupang_cate_all", "btm_percent_dict", "crawl_journal"])
def test_a_deleted_file_is_made_again_and_nothing_else(months: SmallMonths, name: str) -> None:
    before = files(months.settings.root)
    manifest = months.status(MAY)[f"{name}@{MAY}"].manifest
    assert manifest is not None
    months.file(MAY, manifest.files[0].path).unlink()
    assert states(months, MAY)[name] is State.GONE
    assert months.ran(MAY) == {(MAY, name)}
    assert files(months.settings.root) == before


def test_a_deleted_partition_is_loaded_again(months: SmallMonths) -> None:
    import shutil

    shutil.rmtree(months.settings.warehouse_folder / "rt_category_info_coupang" / "day=20240501")
    # The copied root's record names the place it was copied from.
    months.run(MAY, "rt_category_info_coupang")
    shutil.rmtree(months.settings.warehouse_folder / "rt_category_info_coupang" / "day=20240501")
    assert months.ran(MAY, JUNE) == {(MAY, "rt_category_info_coupang")}


@pytest.mark.parametrize("damage", ["rows", "torn"])
def test_a_partition_that_another_program_wrote_is_loaded_again(months: SmallMonths, damage: str) -> None:
    import pandas as pd

    months.run(MAY, "rt_category_info_coupang")
    (file,) = (months.settings.warehouse_folder / "rt_category_info_coupang" / "day=20240501").glob("*.parquet")
    whole = file.read_bytes()
    if damage == "rows":
        pd.read_parquet(file).iloc[1:].to_parquet(file, index=False)
    else:
        file.write_bytes(whole[: len(whole) // 2])
    assert states(months, MAY)["rt_category_info_coupang"] is State.CHANGED
    assert months.ran(MAY, JUNE) == {(MAY, "rt_category_info_coupang")}
    assert file.read_bytes() == whole
    assert states(months, MAY)["rt_category_info_coupang"] is State.FRESH


def test_a_machines_file_that_was_changed_is_made_again(months: SmallMonths) -> None:
    path = months.file(MAY, "cate_dictionary.csv")
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("가전디지털", "가전"), encoding="utf-8")
    assert states(months, MAY)["cate_dictionary"] is State.CHANGED
    assert months.ran(MAY, JUNE) == {(MAY, "cate_dictionary")}
    assert path.read_text(encoding="utf-8") == text


def test_a_dictionary_corrected_by_hand_is_followed_and_never_overwritten(months: SmallMonths) -> None:
    path = months.file(MAY, "coupang_cate_all.csv")
    corrected = path.read_text(encoding="utf-8").replace("가전디지털", "가전과디지털")
    path.write_text(corrected, encoding="utf-8")
    found = months.status(MAY, JUNE)
    assert found[f"coupang_cate_all@{MAY}"].state is State.EDITED
    assert found[f"category_merge@{MAY}"].cause == f"coupang_cate_all@{MAY}"
    assert found[f"cate_dictionary@{JUNE}"].cause == f"coupang_cate_all@{MAY}"
    assert not found[f"category_merge@{MAY}"].settled
    ran = months.ran(MAY, JUNE)
    assert all(status.settled for status in months.status(MAY, JUNE).values()), "the correction is what is wanted"
    assert {(MAY, "cate_dictionary"), (JUNE, "coupang_cate_all"), (JUNE, "cate_dictionary")} <= ran
    assert (MAY, "coupang_cate_all") not in ran
    assert path.read_text(encoding="utf-8") == corrected
    assert "가전과디지털" in months.file(JUNE, "cate_dictionary.csv").read_text(encoding="utf-8")
    # Now it would have to be made again for another reason: a person decides.
    rename_a_category(months)
    steps = {step.name: step for step in months.refresh(MAY)}
    assert steps["coupang_cate_all"].outcome is Outcome.STOPPED
    assert path.read_text(encoding="utf-8") == corrected
    assert (MAY, "coupang_cate_all") in months.ran(MAY, discard_edits=True)
    assert "가전과디지털" not in path.read_text(encoding="utf-8")


def rename_a_category(months: SmallMonths) -> str:
    """The shop gives a category of May another name, and a re-check takes it over; the category's code."""
    candidates = pd.read_csv(months.file(MAY, "crawl/candidates.csv"), dtype=str)
    category = str(candidates["category4"].dropna().iloc[0])
    for product in candidates[candidates["category4"] == category]["product_id"]:
        months.shop.page(product, page_2025([*path_of(product)[:3], "새이름"]))
    months.run(MAY, "recheck", job=RECHECK_JOB, config={"recheck": {"config": {"share": 1.0, "take_over": True}}})
    return category


def test_a_category_renamed_in_the_shop_goes_through_both_months(months: SmallMonths) -> None:
    before = files(months.settings.root)
    category = rename_a_category(months)
    status = months.status(MAY, JUNE)
    assert status[f"crawl_journal@{MAY}"].state is State.FRESH
    assert status[f"coupang_cate_all@{MAY}"].state is State.UPSTREAM
    ran = months.ran(MAY, JUNE)
    dictionary = {"coupang_cate_all", "category_merge", "cate_dictionary"}
    assert of([MAY], dictionary) | of([JUNE], dictionary | {"crawl_journal"}) <= ran
    assert ran <= of([MAY], {"coupang_cate_all"} | FROM_DICTIONARY) | of(
        [JUNE], {"crawl_journal", "coupang_cate_all"} | FROM_DICTIONARY
    )
    assert not {name for _, name in ran} & {"raw_dailies", "new_unique", "updated_unique"}
    for month in (MAY, JUNE):
        rows = pd.read_csv(months.file(month, "coupang_cate_all.csv"), dtype=str)
        assert (rows[rows["category4"] == category]["cate4_name"] == "새이름").all()
    raw = {name: digest for name, digest in before.items() if "/raw/" in name}
    assert raw.items() <= files(months.settings.root).items()


def test_a_failed_check_is_not_built_upon_by_the_next_refresh(months: SmallMonths) -> None:
    months.file(MAY, "category_merge.csv").unlink()
    raw = months.file(MAY, ".manifests/raw_dailies.json")
    text = raw.read_text()
    rows = months.status(MAY)[f"raw_dailies@{MAY}"].manifest
    assert rows is not None
    raw.write_text(text.replace(f'"rows": {rows.files[0].rows}', '"rows": 1'))
    months.file(MAY, "cate_dictionary.csv").unlink()
    for _ in range(2):
        steps = {step.name: step for step in months.refresh(MAY)}
        assert steps["category_merge"].outcome is Outcome.FAILED
        assert "every_merge_accounted_for" in steps["category_merge"].why
        assert steps["cate_dictionary"].outcome is Outcome.LEFT_OUT
    raw.write_text(text)
    assert months.ran(MAY) == of([MAY], {"category_merge", "cate_dictionary"})
    assert set(states(months, MAY).values()) == {State.FRESH}


def test_a_month_in_a_folder_written_before_us_is_left_where_it_is(months: SmallMonths, tmp_path: Path) -> None:
    from coupang_assets.errors import CoupangAssetsError

    data = months.settings.root / "data"
    (data / MAY).rename(data / MAY.replace("_", "-"))
    with pytest.raises(CoupangAssetsError, match="written before us"):
        months.layout.require_our_folder(MAY)
