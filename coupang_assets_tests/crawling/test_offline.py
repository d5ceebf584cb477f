"""Names without the shop: lists and saved pages are taken with the same accounting, bad files are told."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest

from coupang_assets.crawling.candidates import category_key_list
from coupang_assets.crawling.journal import CATEGORY_COLUMNS, read_journal
from coupang_assets.crawling.offline import OfflineSummary, take_offline
from coupang_assets.errors import CoupangAssetsError
from coupang_assets_tests.crawling.conftest import candidates
from coupang_assets_tests.crawling.shop import ACCESS_DENIED, OFF_SALE, page_2025

SHARED = Path(os.environ.get("COUPANG_SHARED", Path(__file__).resolve().parents[3] / "shared"))
TREE = SHARED / "data" / "coupang_category_tree.csv"
MHTML = """From: <Saved by Blink>
Snapshot-Content-Location: https://www.coupang.com/vp/products/{product}?itemId=1
Subject: page
MIME-Version: 1.0
Content-Type: multipart/related; type="text/html"; boundary="--x"

----x
Content-Type: text/css

a {{}}
----x
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: base64

{body}
----x--
"""


def take(source: Path, *products: list[str]) -> OfflineSummary:
    table = candidates(*products)
    return take_offline(source, category_key_list(table), table, source.parent / "journal.jsonl")


def mhtml(product: str, page: str) -> str:
    import base64

    return MHTML.format(product=product, body=base64.b64encode(page.encode()).decode())


def test_list_names_categories_by_code_and_says_what_it_does_not_name(tmp_path: Path) -> None:
    (tmp_path / "names.csv").write_text(
        "category4,cate1_name,cate2_name,cate3_name,cate4_name,cate5_name\n"
        "1,패션,여성,<b>의류</b>,,\n0003.0,식품,,,,\n77,가전,,,,\n2,,,,,\n"
    )
    taken = take(tmp_path / "names.csv", ["11"], ["12"], ["13"])
    rows = taken.table.set_index("category4")
    assert rows.outcome.to_dict() == {"0001": "named", "0002": "not_asked", "0003": "named"}
    assert rows.loc["0001", ["cate1_name", "cate2_name", "cate3_name"]].tolist() == ["패션", "여성", "의류"]
    assert rows.loc["0001", "cate4_name"] is None
    assert rows.loc["0001", "parser"] == "offline_csv"
    assert rows.loc["0002", "reason"] == "no offline source names it"
    assert (taken.read, taken.unused, taken.taken) == (3, 1, 2)
    attempt = read_journal(tmp_path / "journal.jsonl")[0]
    assert (attempt.url, attempt.outcome, attempt.requests) == ("names.csv, line 2", "named", 0)


def test_the_same_list_again_adds_nothing_and_a_corrected_one_is_believed(tmp_path: Path) -> None:
    path = tmp_path / "names.csv"
    path.write_text("code,cate1_name\n1,패선\n")
    assert (take(path, ["11"]).taken, take(path, ["11"]).taken) == (1, 0)
    path.write_text("code,cate1_name\n1,패션\n")
    assert take(path, ["11"]).table.cate1_name.tolist() == ["패션"]


def test_list_from_a_korean_excel_with_an_index_column(tmp_path: Path) -> None:
    path = tmp_path / "names.csv"
    path.write_bytes(",category1,category4,cate1_name\r\n0,1,1.0,패션\r\n1,9,1,식품\r\n".encode("cp949"))
    assert take(path, ["11"]).table.cate1_name.tolist() == ["패션"], "category1 must fit where the list has it"


@pytest.mark.skipif(not TREE.exists(), reason=f"the official list is not at {TREE}")
def test_official_list_names_only_the_codes_it_carries(tmp_path: Path) -> None:
    table = candidates(["11"], ["12"])
    table["category4"] = ["102069", "0002"]
    taken = take_offline(TREE, category_key_list(table), table, tmp_path / "j")
    assert taken.table.parser.tolist() == [None, "offline_official_list"]
    assert taken.table.cate3_name.tolist() == [None, "치약/칫솔선물세트"]
    assert taken.read > 6_000


def test_folder_of_saved_pages_is_read_like_the_shop(tmp_path: Path) -> None:
    folder = tmp_path / "saved"
    (folder / "deep").mkdir(parents=True)
    (folder / "11.html").write_text(page_2025(["패션", "여성"]))
    canonical = '<link rel="canonical" href="https://www.coupang.com/vp/products/12?x=1">'
    (folder / "쿠팡! 상품.htm").write_text(canonical + page_2025(["식품"]))
    (folder / "deep" / "page.mhtml").write_text(mhtml("13", page_2025(["가전"])))
    (folder / "14.html").write_text(OFF_SALE)
    (folder / "15.html").write_text(ACCESS_DENIED)
    (folder / "99.html").write_text(page_2025(["완구"]))
    korean = page_2025(["주방"]).replace("<head>", '<head><meta charset="euc-kr">')
    (folder / "16.html").write_bytes(korean.encode("euc-kr"))
    (folder / "notes.txt").write_text("not read")
    taken = take(folder, ["11"], ["12"], ["13"], ["14"], ["15"], ["16", "11"], ["20"])
    assert taken.table.outcome.tolist() == ["named", "named", "named", "off_sale", "refused", "named", "not_asked"]
    assert taken.table.cate1_name.tolist()[:3] == ["패션", "식품", "가전"]
    assert (taken.read, taken.unused) == (7, 1)
    assert taken.table.parser.tolist()[0] == "json_ld"
    shared = taken.table.iloc[5]
    assert (shared.cate1_name, shared.agreeing, shared.dissent) == ("주방", 1, "패션 > 여성 (1)")
    assert {one.url for one in read_journal(tmp_path / "journal.jsonl")} >= {"saved: 11.html", "saved: page.mhtml"}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("names.csv", "a,b\n1,2\n", "has the columns a, b"),
        ("names.csv", "", "has the columns none"),
        ("names.csv", "code,cate1_name\nx12,패션\n", "line 2, column code: 'x12'"),
        ("names.csv", "code,cate1_name\n1,패션,더\n", "line 2: 3 fields instead of 2"),
        ("names.csv", "code,cate1_name,cate2_name\n1,,여성\n", "line 2: cate1_name is empty above a name"),
        ("names.csv", "code,cate1_name\n,패션\n", "line 2: names without a code"),
        ("names.csv", f"code,cate1_name\n1,{'가' * 201}\n", "a name of 201 characters"),
        ("names.csv", 'code,cate1_name\n1,"패션\n', "names.csv, line"),
        ("names.csv", "code,cate1_name\n1,패션\n1,식품\n", r"named in two ways: 패션 \(names.csv, line 2\)"),
        ("names.csv", b"code,cate1_name\n1,\xff\xff\xff\n", "neither UTF-8 nor CP949"),
        ("page.html", "<html>no product</html>", "does not tell its product"),
        ("11.html", "", "has 0 bytes"),
        ("11.mhtml", "no mhtml", "holds no page"),
        ("names.xlsx", "x", "neither a CSV nor a saved page"),
    ],
)
def test_bad_files_are_told_and_nothing_is_taken(tmp_path: Path, name: str, content: str | bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(CoupangAssetsError, match=message):
        take(tmp_path / name, ["11"])
    assert read_journal(tmp_path / "journal.jsonl") == []


def test_one_bad_file_of_a_folder_stops_all_and_several_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "saved"
    folder.mkdir()
    (folder / "11.html").write_text(page_2025(["패션"]))
    for number in range(7):
        (folder / f"x{number}.html").write_text("<html></html>")
    with pytest.raises(CoupangAssetsError, match=r"(?s)x0\.html.*x4\.html.*and 2 more"):
        take(folder, ["11"])
    with pytest.raises(CoupangAssetsError, match="does not exist"):
        take(tmp_path / "none", ["11"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(CoupangAssetsError, match="has no CSV and no saved page"):
        take(tmp_path / "empty", ["11"])


def test_categories_are_listed_once_and_keep_their_gaps() -> None:
    table = pd.DataFrame([("1", None, "", "4"), ("1", "", None, "4")], columns=CATEGORY_COLUMNS)
    assert category_key_list(table) == [("1", "", "", "4")]
