"""``adopt``: a month folder written before us becomes part of the history, and the base of the next month."""

import hashlib
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from coupang_assets.datasets import DATASETS, RAW_DAILIES, Step
from coupang_assets.storage.locate import locate
from coupang_assets_tests.commands.months import Root

pytestmark = pytest.mark.slow

NEXT = "raw_dailies or new_unique or updated_unique or diff_data"
JUDGED = {name for name, dataset in DATASETS.items() if dataset.step is Step.EVALUATION}
MISSING = {"crawl_candidates", "crawl_journal", "category_merge", "fasttext_model", "svm_model", "vote_model", *JUDGED}
TORN = "cate_dictionary"


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Root:
    """A month made by us, and what the next is made from it."""
    root = Root(tmp_path_factory.mktemp("ours") / "root")
    root.run("run", "2024_05")
    root.run("run", "2024_06", "--select", NEXT)
    return root


@pytest.fixture
def before_us(ours: Root, tmp_path: Path) -> Root:
    """The same month as notebooks left it: with pandas' index, a BOM, codes as floats, half of it missing, one torn."""
    root = Root(tmp_path / "root")
    for name in ("sample", "warehouse"):
        shutil.copytree(ours.folder / name, root.folder / name)
    shutil.rmtree(root.folder / "warehouse" / "rt_category_info_coupang" / "day=20240601", ignore_errors=True)
    folder = root.folder / "data" / "2024-05"
    for dataset in DATASETS.values():
        for path in sorted(
            ours.file("").glob(dataset.paths[0].format(day="*", cap="*", month="*")) if dataset.paths else []
        ):
            if dataset.columns and dataset.name not in MISSING:
                table = pd.read_csv(path, dtype=str, keep_default_na=False)
                for code in dataset.code_columns:
                    table[code] = table[code].map(lambda text: f"{int(text)}.0" if text else "")
                target = folder / path.relative_to(ours.file(""))
                target.parent.mkdir(parents=True, exist_ok=True)
                table.to_csv(target, encoding="utf-8-sig")
    for path in [*ours.file("").glob("coupang_bpe*"), *ours.file("").glob("btm_percent_dict*")]:
        shutil.copy(path, folder)
    torn = folder / "cate_dictionary.csv"
    torn.write_bytes(torn.read_bytes()[:-7])
    return root


def adopted(root: Root, status: int = 0) -> str:
    return root.run("adopt", "2024_05", status=status)


def test_what_holds_is_adopted_what_is_torn_is_listed_and_nothing_is_changed(before_us: Root) -> None:
    root, before = before_us, before_us.contents()
    said = adopted(root, status=1)
    assert "ends in the middle of a row" in said
    assert "1 datasets are wrong" in said
    assert root.contents() == before
    origins = {row["dataset"]: row["origin"] for row in root.json("history", "2024_05")}
    assert set(origins.values()) == {"adopted"}
    recorded = {name for name, dataset in DATASETS.items() if not dataset.on_request} - MISSING - {TORN}
    assert set(origins) == recorded
    unsettled = set(root.reasons())
    assert unsettled >= MISSING
    assert not unsettled & recorded, "what was adopted is not stale for what nobody recorded of it"
    assert root.stale_for_dagster() == MISSING | {TORN}

    (root.file("cate_dictionary.csv", "2024-05")).unlink()
    again = adopted(root)
    assert "recorded before" in again and "missing" in again
    assert root.json("history", "2024_05", "coupang_cate_all")[0]["number"] == 1
    assert len(root.json("history", "2024_05", "coupang_cate_all")) == 1


def test_it_is_the_base_of_the_next_month_as_if_we_had_made_it(before_us: Root, ours: Root) -> None:
    root = before_us
    adopted(root, status=1)
    root.run("run", "2024_06", "--select", NEXT)
    for name in ("updated_unique.csv", "diff_data.csv"):
        assert root.file(name, "2024_06").read_bytes() == ours.file(name, "2024_06").read_bytes()
    made_from = root.run("provenance", "2024_06", "diff_data")
    base = root.json("history", "2024_05", "updated_unique")[0]
    assert f"updated_unique 2024_05 {base['data_version'][:12]} adopted" in made_from
    assert "from what it was made is not known" in made_from
    located = locate(root.history.layout, RAW_DAILIES, "2024_05")
    assert not located.trusted and not located.changed, "its codes are not in our form, so they are read with care"


def test_a_version_that_was_adopted_can_be_brought_back(before_us: Root) -> None:
    adopted(before_us, status=1)
    path = before_us.file("updated_unique.csv", "2024-05")
    before = path.read_bytes()
    path.write_text("\n".join(path.read_text().splitlines()[:-2]) + "\n")
    before_us.run("restore", "2024_05", "updated_unique", "@1")
    assert path.read_bytes() == before
    assert "updated_unique" not in set(before_us.reasons()) | before_us.stale_for_dagster()


@pytest.mark.parametrize(
    ("name", "harm", "said"),
    [
        ("updated_unique.csv", lambda data: data.replace(b"category4", b"kategorie"), "missing columns: category4"),
        ("coupang_cate_all.csv", lambda data: data[: len(data) // 2], "is torn"),
        ("raw/20240401.csv", lambda data: data.replace(b".0,", b"x,", 1), "data row 1: a code or number does not hold"),
        ("btm_percent_dict_2024_05.pickle", lambda data: data[:-3], "does not match its checksum"),
        ("btm_percent_dict_2024_05.pickle.sha256", lambda data: b"", "is not in the format of sha256sum"),
    ],
)
def test_a_bad_file_is_told_and_its_dataset_is_not_adopted(
    before_us: Root, name: str, harm: Callable[[bytes], bytes], said: str
) -> None:
    path = before_us.file(name, "2024-05")
    path.write_bytes(harm(path.read_bytes()))
    assert said in adopted(before_us, status=1)
    recorded = {row["dataset"] for row in before_us.json("history", "2024_05")}
    wrong = {"updated_unique.csv": "updated_unique", "coupang_cate_all.csv": "coupang_cate_all"}.get(name)
    assert (wrong or ("raw_dailies" if name.startswith("raw") else "btm_percent_dict")) not in recorded
    assert "new_unique" in recorded


def test_a_model_with_a_class_in_it_is_refused(before_us: Root) -> None:
    path = before_us.file("btm_percent_dict_2024_05.pickle", "2024-05")
    path.write_bytes(pickle.dumps({("a", ""): Path("x")}))
    checksum = hashlib.sha256(path.read_bytes()).hexdigest()
    path.with_name(f"{path.name}.sha256").write_text(f"{checksum}  {path.name}\n")
    assert "contains the class" in adopted(before_us, status=1)


def test_two_files_that_may_be_the_same_are_not_chosen_from(before_us: Root) -> None:
    path = next(before_us.file("", "2024-05").glob("coupang_train_*.csv"))
    shutil.copy(path, path.with_name("coupang_train_5000_2024-05.csv"))
    assert "may both be coupang_train" in adopted(before_us, status=1)


def test_files_that_disagree_are_remarked(before_us: Root) -> None:
    path = before_us.file("updated_unique.csv", "2024-05")
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    assert "1 categories stand in only one of" in adopted(before_us, status=1)


def test_a_month_that_is_not_there_or_cannot_be_a_base_is_said(before_us: Root) -> None:
    assert "there is no folder" in before_us.run("adopt", "2024_03", status=1)
    before_us.file("updated_unique.csv", "2024-05").unlink()
    assert "Without a good updated_unique.csv the month cannot be the base" in adopted(before_us, status=1)
