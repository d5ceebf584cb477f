import csv
import datetime as dt
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import orc

from coupang_assets.errors import CoupangAssetsError
from coupang_assets.sample import SampleSource
from coupang_assets.sample.events import write_day
from coupang_assets.sample.real_input import RealInputOptions, _assign_codes, build_world
from coupang_assets.sample.world import CODE_COLUMNS, World

TREE = [
    ["code", "level1", "level2", "level3", "level4", "level5", "level6"],
    ["1", "패션", "여성", "잡화", "우산/장우산", "", ""],
    ["2", "패션", "여성", "잡화", "스카프", "실크 스카프", ""],
    ["3", "패션", "남성", "넥타이", "", "", ""],
    ["4", "생활", "욕실", "수건", "남녀공용손수건(면)", "", ""],
    ["5", "문구", "포장", "포장끈/타이", "", "", ""],
]


def write(path: Path, rows: list[list[str]], encoding: str = "utf-8") -> Path:
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file).writerows(rows)
    return path


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return write(tmp_path / "tree.csv", TREE)


def leaf_of(world: World, title: str) -> pd.Series:
    leaf_id = world.products.set_index("title").loc[title, "leaf_id"]
    return world.categories.set_index("leaf_id").loc[leaf_id]


def test_products_find_their_leaf(tmp_path: Path, tree: Path) -> None:
    keywords = ["장우산", "실크스카프", "비닐우산", "면손수건", "손수건", "명품넥타이", "키링"]
    rows = [["product_id", "name", "keyword"]]
    rows += [[str(1000 + number), f"상품 {keyword}", keyword] for number, keyword in enumerate(keywords)]
    listed = write(tmp_path / "keywords.csv", rows)
    own = write(tmp_path / "own.csv", [["name", "category1", "category2"], ["쿠션 파운데이션", "Makeup", "base"]])
    world, report = build_world([listed, own], tree)

    assert leaf_of(world, "상품 장우산")["cate4_name"] == "우산/장우산"
    silk = leaf_of(world, "상품 실크스카프")
    assert (silk["cate4_name"], silk["cate5_name"]) == ("스카프", "실크 스카프")
    assert leaf_of(world, "상품 면손수건").name == leaf_of(world, "상품 손수건").name
    assert leaf_of(world, "상품 명품넥타이")["cate4_name"] == "넥타이"
    makeup = leaf_of(world, "쿠션 파운데이션")
    assert list(makeup[["cate1_name", "cate2_name", "cate3_name", "cate4_name"]]) == ["Makeup", "base", "base", "base"]
    assert makeup[list(CODE_COLUMNS)].is_unique
    assert report.matched == {"keyword": 3, "keyword's ending": 2, "own path": 1}
    assert report.left_out == {"keyword matches no leaf": 2}
    assert report.unmatched_keywords == {"비닐우산": 1, "키링": 1}
    assert sum(report.rows.values()) == sum(report.matched.values()) + sum(report.left_out.values())


def test_what_is_left_out_is_counted_by_reason(tmp_path: Path, tree: Path) -> None:
    rows = [
        ["product_id", "title", "keyword"],
        ["10", "장우산 하나", "장우산"],
        ["10", "장우산 둘", "장우산"],
        ["11", "", "장우산"],
        ["12", "이름만", ""],
        ["x1", "장우산 셋", "장우산"],
        ["13", "모름", "모르는말"],
    ]
    _, report = build_world([write(tmp_path / "p.csv", rows)], tree, RealInputOptions(head_nouns=False))
    assert report.products == 1
    assert report.left_out == {
        "product listed before": 1,
        "no title": 1,
        "neither category1 nor keyword": 1,
        "product_id is not a number": 1,
        "keyword matches no leaf": 1,
    }


def test_codes_follow_from_the_paths(tmp_path: Path, tree: Path) -> None:
    products = write(tmp_path / "p.csv", [["name", "keyword"], ["장우산", "장우산"], ["넥타이", "넥타이"]])
    before, _ = build_world([products], tree)
    more = write(tmp_path / "more.csv", [TREE[0], ["9", "완구", "인형", "곰", "갈색곰", "", ""], *reversed(TREE[1:])])
    after, _ = build_world([products], more)
    assert before.categories[["leaf_id", *CODE_COLUMNS]].equals(after.categories[["leaf_id", *CODE_COLUMNS]])
    assert before.products.equals(after.products)


names = st.lists(st.sampled_from("가나다라마바사"), min_size=1, max_size=6).map(tuple)


@settings(max_examples=40, deadline=None)
@given(st.lists(names, min_size=1, max_size=30), st.randoms())
def test_one_node_has_one_code_whatever_the_order(leaves: list[tuple[str, ...]], random: object) -> None:
    codes = _assign_codes(leaves)
    assert len(set(codes.values())) == len(codes)
    assert all(len(code) == 4 and 1 <= int(code) <= 9999 for code in codes.values())
    shuffled = list(leaves)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert _assign_codes(shuffled) == codes


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_byte_order_mark_does_not_matter(tmp_path: Path, tree: Path, encoding: str) -> None:
    products = write(tmp_path / "p.csv", [["name", "keyword"], ["장우산", "장우산"]], encoding)
    assert build_world([products], tree)[1].products == 1


def test_wrong_files_are_named_with_what_they_have(tmp_path: Path, tree: Path) -> None:
    good = write(tmp_path / "good.csv", [["name", "keyword"], ["장우산", "장우산"]])
    cases = [
        (write(tmp_path / "a.csv", [["label", "keyword"], ["x", "y"]]), tree, "label"),
        (write(tmp_path / "b.csv", [["name", "brand"], ["x", "y"]]), tree, "brand"),
        (tmp_path / "absent.csv", tree, r"absent\.csv"),
        (write(tmp_path / "c.csv", []), tree, r"c\.csv"),
        (write(tmp_path / "d.csv", [["이름"], ["값"]], "cp949"), tree, r"d\.csv"),
        (good, write(tmp_path / "e.csv", [["code", "name"], ["1", "x"]]), "code, name"),
        (good, write(tmp_path / "f.csv", [TREE[0]]), "no rows"),
        (write(tmp_path / "g.csv", [["name", "keyword"], ["x", "모르는말"]]), tree, "none of 1 products"),
    ]
    for products, given_tree, expected in cases:
        with pytest.raises(CoupangAssetsError, match=expected):
            build_world([products], given_tree)


def test_a_tree_with_more_nodes_than_codes_is_refused(tmp_path: Path) -> None:
    rows = [TREE[0], *([str(n), "가", "나", f"다{n // 2}", f"라{n}", "", ""] for n in range(9_000))]
    products = write(tmp_path / "p.csv", [["name", "keyword"], ["x", "라1"]])
    with pytest.raises(CoupangAssetsError, match="9999"):
        build_world([products], write(tmp_path / "tree.csv", rows))


def test_some_categories_wait_for_the_second_month(tmp_path: Path, tree: Path) -> None:
    products = write(tmp_path / "p.csv", [["name", "keyword"], ["a", "장우산"], ["b", "넥타이"], ["c", "스카프"]])
    world, report = build_world([products], tree, RealInputOptions(first_month="2025_12"))
    first, second = (set(world.categories_in(month)["category4"]) for month in ("2025_12", "2026_01"))
    assert len(second - first) == report.held_back >= 1
    assert first < second


def test_real_files_give_two_months(tmp_path: Path, shared_data: Path) -> None:
    files = [shared_data / "coupang_product_names.csv", shared_data / "korean_products_36.csv"]
    world, report = build_world(files, shared_data / "coupang_category_tree.csv")
    assert sum(report.rows.values()) == 17_070 == report.products + sum(report.left_out.values())
    assert report.products > 12_500 and report.categories >= 50 and report.nodes < 9_999
    assert 0.05 < report.held_back / world.categories["category4"].nunique() < 0.3
    assert world.products["product_id"].is_unique

    world.save(tmp_path / "world")
    source = SampleSource(tmp_path / "world")
    seen = []
    for day in (dt.date(2024, 4, 1), dt.date(2024, 5, 1)):
        events = orc.read_table(source.ensure_day(tmp_path / "table", day)).to_pandas()
        seen.append(set(events[events["rt_cd"] == 300]["category4"].dropna()))
    assert len(seen[1] - seen[0]) == report.held_back

    again, _ = build_world(files, shared_data / "coupang_category_tree.csv")
    write_day(again, dt.date(2024, 4, 1), tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "table/day=20240401/000000_0.orc").read_bytes()
