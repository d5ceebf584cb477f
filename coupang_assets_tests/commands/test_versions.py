"""``history``, ``diff``, ``restore``, ``prune`` and ``provenance`` on finished months."""

import pickle
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest

from coupang_assets.datasets import DATASETS
from coupang_assets.storage.manifest import read_manifest
from coupang_assets_tests.commands.months import Root

pytestmark = pytest.mark.slow

CATE_ALL = "coupang_cate_all"
FOLLOWS = {"category_merge", "cate_dictionary"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Root:
    root = Root(tmp_path_factory.mktemp("finished") / "root")
    root.run("run", "2024_05")
    return root


@pytest.fixture
def root(finished: Root, tmp_path: Path) -> Root:
    return finished.copy(tmp_path / "root")


def version(root: Root, name: str, number: int) -> str:
    return root.json("history", "2024_05", name)[number - 1]["data_version"]


def test_history_lists_what_a_run_made(finished: Root) -> None:
    rows = finished.json("history", "2024_05")
    assert len(rows) == sum(not dataset.on_request for dataset in DATASETS.values())
    assert all(row["number"] == 1 and row["current"] and row["kept"] for row in rows)
    assert {row["origin"] for row in rows} == {"materialized"}
    assert "coupang_train" in finished.run("history", "2024_05", "coupang_train")
    assert "Nothing of 2024_06 has a history" in finished.run("history", "2024_06")
    assert "there is no dataset 'other'" in finished.run("history", "2024_05", "other", status=1)


def test_restored_dictionary_is_what_follows_is_made_from_and_back_again_byte_for_byte(root: Root) -> None:
    root.edit("coupang_cate_all.csv", "cate4_name", "다른 이름")
    root.run("refresh", "2024_05")
    first = root.contents()
    assert root.reasons() == {CATE_ALL: ["coupang_cate_all.csv is not what was written"]}

    assert "is again @1" in root.run("restore", "2024_05", CATE_ALL, "@1")
    assert set(root.reasons()) == FOLLOWS
    root.run("refresh", "2024_05")
    older = root.contents()
    assert older["data/2024_05/cate_dictionary.csv"] != first["data/2024_05/cate_dictionary.csv"]
    partition = "warehouse/rt_category_info_coupang/day=20240501/000000_0.parquet"
    assert older[partition] != first[partition]
    assert root.reasons() == {} and root.stale_for_dagster() == set()

    root.run("restore", "2024_05", CATE_ALL, "@2")
    root.run("refresh", "2024_05")
    assert root.contents() == first
    assert root.reasons() == {} and root.stale_for_dagster() == set()


@pytest.fixture
def made_twice(root: Root, tmp_path: Path) -> Root:
    """A month whose names were read again and came out otherwise: a second journal, and a second dictionary of it."""
    named = pd.read_csv(root.file("coupang_cate_all.csv"), dtype=str, keep_default_na=False)
    named = named[(named["cate4_name"] != "") & (named["category4"] != "")]
    named.loc[named.index[0], "cate4_name"] = "다른 이름"
    named.drop(columns=["product_id", "ep_title", "count"]).to_csv(tmp_path / "names.csv", index=False)
    root.file("crawl/journal.jsonl").unlink()
    root.run("run", "2024_05", "--select", "crawl_journal+", "--names", str(tmp_path / "names.csv"))
    assert version(root, CATE_ALL, 1) != version(root, CATE_ALL, 2)
    assert root.reasons() == {} and root.stale_for_dagster() == set()
    return root


def test_after_a_restore_status_and_dagster_say_the_same_and_a_refresh_leaves_it(made_twice: Root) -> None:
    root = made_twice
    first = root.contents()
    root.run("restore", "2024_05", CATE_ALL, version(root, CATE_ALL, 1)[:8])
    assert set(root.reasons()) == root.stale_for_dagster() == FOLLOWS | {CATE_ALL}
    assert "crawl_journal@2024_05 is another version" in root.reasons()[CATE_ALL][0]
    root.run("refresh", "2024_05")
    assert root.json("history", "2024_05", CATE_ALL)[-1]["origin"] == "restored", "it was not made again"
    assert set(root.reasons()) == root.stale_for_dagster() == {CATE_ALL}
    assert root.contents() != first
    root.run("restore", "2024_05", CATE_ALL, "@2")
    assert set(root.reasons()) == root.stale_for_dagster() == FOLLOWS
    root.run("refresh", "2024_05")
    assert root.contents() == first
    assert root.reasons() == {} and root.stale_for_dagster() == set()


def test_restoring_what_it_was_made_from_too_makes_it_fresh(made_twice: Root) -> None:
    made_twice.run("restore", "2024_05", CATE_ALL, "@1")
    made_twice.run("restore", "2024_05", "crawl_journal", "@1")
    assert CATE_ALL not in made_twice.reasons()
    assert CATE_ALL not in made_twice.stale_for_dagster()


def test_the_hive_partition_is_restored_by_loading_it(made_twice: Root) -> None:
    root, table = made_twice, "rt_category_info_coupang"
    warehouse = root.folder / "warehouse" / table / "day=20240501" / "000000_0.parquet"
    now = pd.read_parquet(warehouse)
    assert "is again @1" in root.run("restore", "2024_05", table, "@1")
    names = set(pd.read_parquet(warehouse)["lv4_name"])
    assert "다른 이름" in set(now["lv4_name"]) - names
    assert set(root.reasons()) == root.stale_for_dagster() == {table}
    root.run("restore", "2024_05", table, "@2")
    assert pd.read_parquet(warehouse).equals(now)
    assert root.reasons() == {} and root.stale_for_dagster() == set()


def test_a_restore_that_cannot_be_says_so_and_changes_nothing(root: Root) -> None:
    root.edit("coupang_cate_all.csv", "cate4_name", "다른 이름")
    before = root.contents()
    for wrong, said in (
        ("@7", "has no version @7"),
        ("ffffffff", "has no version ffffffff"),
        ("xyz", "names no version"),
    ):
        assert said in root.run("restore", "2024_05", CATE_ALL, wrong, status=1)
    kept = root.history.objects.path(root.history.versions("2024_05", CATE_ALL)[0].manifest.files[0].sha256)
    kept.write_bytes(kept.read_bytes()[:-9])
    assert "is damaged" in root.run("restore", "2024_05", CATE_ALL, "@1", status=1)
    kept.unlink()
    assert "no longer kept" in root.run("restore", "2024_05", CATE_ALL, "@1", status=1)
    assert root.contents() == before
    assert [row["kept"] for row in root.json("history", "2024_05", CATE_ALL)] == [False, True]


def test_restore_brings_a_deleted_file_back_and_does_nothing_where_nothing_is_to_do(root: Root) -> None:
    before = root.contents()
    root.file("new_unique.csv").unlink()
    assert "is again @1" in root.run("restore", "2024_05", "new_unique", "@1")
    assert root.contents() == before
    assert "already" in root.run("restore", "2024_05", "new_unique", "@1")
    assert len(root.json("history", "2024_05", "new_unique")) == 2


def test_diff_tells_rows_and_categories(root: Root) -> None:
    root.edit("coupang_cate_all.csv", "cate4_name", "다른 이름")
    path = root.file("coupang_cate_all.csv")
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-1]))
    found = root.json("diff", "2024_05", "@1", "current", "--dataset", CATE_ALL)
    assert found["rows"] == {"added": 0, "removed": 1, "changed": 1}
    kinds = [row["difference"] for row in found["categories"]]
    assert kinds.count("renamed") == kinds.count("removed") == 1
    (renamed,) = [row for row in found["categories"] if row["difference"] == "renamed"]
    assert "다른 이름" in renamed["after"] and "다른 이름" not in renamed["before"]
    said = root.run("diff", "2024_05", "@1", "@2", "--dataset", CATE_ALL)
    assert "1 rows removed" in said and "1 renamed" in said and "다른 이름" in said


def test_diff_tells_a_category_that_is_merged_otherwise(root: Root) -> None:
    """Two categories of one top get one name, so that the smaller one is merged into the larger."""
    path = root.file("coupang_cate_all.csv")
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    named = table[(table["cate4_name"] != "") & (table["category4"] != "")].drop_duplicates("category4")
    pair = next(group for _, group in named.groupby("cate1_name") if group["cate4_name"].nunique() > 1)
    one, other = pair.drop_duplicates("cate4_name").index[:2]
    same = table["cate4_name"] == table.loc[other, "cate4_name"]
    table.loc[same & (table["cate1_name"] == table.loc[other, "cate1_name"]), "cate4_name"] = table.loc[
        one, "cate4_name"
    ]
    table.to_csv(path, index=False, lineterminator="\n")
    in_all = root.json("diff", "2024_05", "@1", "--dataset", CATE_ALL)["categories"]
    root.run("refresh", "2024_05")
    in_dictionary = root.json("diff", "2024_05", "@1", "@2", "--dataset", "cate_dictionary")["categories"]
    for found in (in_all, in_dictionary):
        moved = [row for row in found if row["difference"] == "merged otherwise"]
        assert moved and all("same_name" in row["after"] for row in moved)


def test_diff_finds_the_dataset_by_its_versions_and_names_what_it_cannot_compare(made_twice: Root) -> None:
    root = made_twice
    one, two = version(root, "crawl_journal", 1), version(root, "crawl_journal", 2)
    found = root.json("diff", "2024_05", one[:10], two[:10])
    assert found["dataset"] == "crawl_journal"
    assert found["rows"]["changed"] > 0
    assert "name it with --dataset" in root.run("diff", "2024_05", "@1", "@2", status=1)
    assert "name it with --dataset" in root.run("diff", "2024_05", one[:10], version(root, CATE_ALL, 1), status=1)
    assert "the same content" in root.run("diff", "2024_05", "@1", "@1", "--dataset", "raw_dailies")
    report = root.run("diff", "2024_05", "@1", "@2", "--dataset", "biterm_report")
    assert "Files that differ: report/" in report


def test_prune_says_first_and_spares_what_the_model_came_from(root: Root) -> None:
    used = version(root, CATE_ALL, 1)
    for name in ("하나", "둘", "셋"):
        root.edit("coupang_cate_all.csv", "cate4_name", name)
        root.json("history", "2024_05", CATE_ALL)
    before = set(root.history.objects)
    assert "Nothing was removed; add --yes" in root.run("prune", "--keep", "1")
    assert set(root.history.objects) == before
    assert "no longer kept" in root.run("prune", "--keep", "1", "--yes")
    kept = {row["number"]: row["kept"] for row in root.json("history", "2024_05", CATE_ALL)}
    assert kept == {1: True, 2: False, 3: False, 4: True}, "the model is from 1, and 4 lies there"
    assert version(root, CATE_ALL, 1) == used
    assert "nothing to remove" in root.run("prune", "--keep", "1", "--yes")


def test_provenance_of_model_file_and_partition_names_every_version_setting_and_code(made_twice: Root) -> None:
    root = made_twice
    pickle_path = root.file("btm_percent_dict_2024_05.pickle")
    assert pickle.loads(pickle_path.read_bytes())
    of_dataset = root.json("provenance", "2024_05", "btm_percent_dict")
    assert root.json("provenance", str(pickle_path)) == of_dataset
    versions = of_dataset["versions"]
    for name, entry in versions.items():
        dataset = name.partition("@")[0]
        manifest = read_manifest(root.folder / "data" / "2024_05", dataset)
        if manifest is not None:
            assert name == f"{dataset}@2024_05#{manifest.data_version}"
            assert entry["code_version"] == manifest.code_version and entry["settings"] == manifest.settings
            assert [one["sha256"] for one in entry["files"]] == [
                one.sha256 for one in manifest.files
            ] or not manifest.files
    assert {name.partition("@")[0] for name in versions} == {
        "btm_percent_dict", "bpe_tokenizer", "coupang_train", "define_dailies", "raw_dailies", "category_merge",
        "cate_dictionary", CATE_ALL, "new_unique", "diff_data", "crawl_journal", "crawl_candidates", "coupang_shop",
        "retargeting_event_storage_orc", "accepted_merges",
    }  # fmt: skip
    train = next(entry for name, entry in versions.items() if name.startswith("coupang_train"))
    assert train["settings"]["training.cap"] == 3000

    partition = root.run("provenance", "rt_category_info_coupang", "day=20240501")
    assert version(root, CATE_ALL, 2)[:12] in partition and version(root, CATE_ALL, 1)[:12] not in partition
    older = root.run("provenance", "2024_05", "rt_category_info_coupang", "--version", "@1")
    assert version(root, CATE_ALL, 1)[:12] in older
    assert "is no partition" in root.run("provenance", "rt_category_info_coupang", "day=2024", status=1)
    assert "is no file of a month" in root.run("provenance", "/etc/passwd", status=1)
    assert "belongs to no recorded dataset" in root.run("provenance", str(root.file("notes.txt")), status=1)


def test_provenance_leads_to_a_hand_edit_that_a_run_read(root: Root) -> None:
    root.edit("coupang_cate_all.csv", "cate4_name", "다른 이름")
    root.run("refresh", "2024_05")
    root.edit("coupang_cate_all.csv", "cate4_name", "또 다른 이름")
    said = root.run("provenance", "rt_category_info_coupang", "day=20240501")
    assert f"{version(root, CATE_ALL, 2)[:12]} edited by hand" in said


def test_provenance_is_in_the_metadata_of_model_and_partition(finished: Root) -> None:
    with dg.DagsterInstance.from_config(str(finished.folder / "dagster_home")) as instance:
        for name in ("btm_percent_dict", "rt_category_info_coupang"):
            event = instance.get_latest_materialization_event(dg.AssetKey(name))
            assert event is not None and event.asset_materialization is not None
            found = event.asset_materialization.metadata["provenance"].value
            assert isinstance(found, dict)
            assert found["versions"] == finished.json("provenance", "2024_05", name)["versions"] | {
                found["root"]: found["versions"][found["root"]]
            }
