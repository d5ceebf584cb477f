"""What the parsers read from pages, real and hostile."""

from __future__ import annotations

import html
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coupang_assets.crawling.outcomes import Outcome
from coupang_assets.crawling.parsers import MAX_LEVELS, MAX_NAME_LENGTH, clean_name, parse_page
from coupang_assets_tests.crawling.shop import (
    ACCESS_DENIED,
    OFF_SALE,
    PAGE_LEGACY,
    json_ld,
    legacy_fragment,
    page_2025,
    ul_breadcrumb,
)

SHARED = Path(os.environ.get("COUPANG_SHARED", Path(__file__).resolve().parents[3] / "shared"))
PAGES = SHARED / "data" / "product_pages"
real_pages = pytest.mark.skipif(not PAGES.is_dir(), reason=f"real pages are not at {PAGES}")


def flight(payload: Any, cut: int = 40) -> str:
    """A JSON document as Next.js sends it: a string cut over several pushes."""
    text = "1c:" + json.dumps(payload, ensure_ascii=False)
    pieces = [text[start : start + cut] for start in range(0, len(text), cut)]
    return "".join(
        f"<script>self.__next_f.push([1,{json.dumps(piece, ensure_ascii=False)}])</script>" for piece in pieces
    )


def rendered(node: Any) -> str:
    """HTML of React's node tree: ["$", tag, key, properties], lists of nodes, or text."""
    if isinstance(node, str):
        return "" if node.startswith("$") else html.escape(node)
    if isinstance(node, list) and len(node) == 4 and node[0] == "$":
        return element(node[1], node[3])
    return "".join(rendered(child) for child in node) if isinstance(node, list) else ""


def element(tag: str, properties: dict[str, Any]) -> str:
    attributes = {"className": "class", "href": "href", "title": "title"}
    written = "".join(
        f' {name}="{html.escape(properties[key])}"' for key, name in attributes.items() if key in properties
    )
    return f"<{tag}{written}>{rendered(properties.get('children', ''))}</{tag}>"


def real_page(name: str, *parts: str) -> str:
    payload = json.loads((PAGES / name).read_text(encoding="utf-8"))
    made = {
        "json_ld": f'<script type="application/ld+json">{json.dumps(payload["json_ld_breadcrumb"])}</script>',
        "ul": element("ul", payload["breadcrumb_nodes"]),
        "leaf": flight({"props": {"leafCategoryInfo": payload["leafCategoryInfo"], "other": 1}}),
    }
    return f"<html><body>{''.join(made[part] for part in parts)}</body></html>"


KEYBOARD = ("가전디지털", "키보드/마우스", "키보드", "유선키보드")
KEYBOARD_LEAF = ("가전디지털", "컴퓨터/게임", "컴퓨터주변기기", "키보드")


@real_pages
@pytest.mark.parametrize(
    ("parts", "parser"), [(("json_ld", "ul", "leaf"), "json_ld"), (("ul", "leaf"), "ul_breadcrumb")]
)
def test_real_2025_page_loses_its_campaign_and_keeps_what_leaf_category_info_says(
    parts: tuple[str, ...], parser: str
) -> None:
    page = parse_page(real_page("page_2025_keyboard.json", *parts))
    assert (page.outcome, page.names, page.parser) == (Outcome.NAMED, KEYBOARD, parser)
    assert page.campaign == ("쿠팡수입",)
    assert page.alternatives == {"leaf_category_info": KEYBOARD_LEAF}


@real_pages
def test_real_leaf_category_info_alone_names_the_page_from_top_to_leaf() -> None:
    page = parse_page(real_page("page_2025_keyboard.json", "leaf"))
    assert (page.names, page.parser, page.alternatives) == (KEYBOARD_LEAF, "leaf_category_info", {})


@real_pages
def test_real_webcam_page() -> None:
    page = parse_page(real_page("page_2025_webcam.json", "json_ld", "ul", "leaf"))
    assert page.names == ("가전디지털", "PC주변기기", "웹캠")


@real_pages
def test_without_leaf_category_info_a_campaign_cannot_be_told_and_stays() -> None:
    page = parse_page(real_page("page_2025_webcam.json", "json_ld"))
    assert page.names == ("쿠팡수입", "가전디지털", "PC주변기기", "웹캠")


@real_pages
def test_real_legacy_fragment() -> None:
    page = parse_page((PAGES / "legacy_breadcrumb.html").read_text(encoding="utf-8"))
    assert page.names == ("가전디지털", "1인방송 전문관", "카메라", "휴대폰")
    assert page.parser == "legacy_breadcrumb"


@real_pages
@pytest.mark.parametrize(("name", "status"), [("access_denied_403.html", 403), ("access_denied_mobile.html", 200)])
def test_real_refusals(name: str, status: int) -> None:
    assert parse_page((PAGES / name).read_text(encoding="utf-8"), status).outcome is Outcome.REFUSED


def test_legacy_page_asks_for_its_fragment() -> None:
    page = parse_page(PAGE_LEGACY)
    assert (page.outcome, page.needs_fragment) == (Outcome.NO_BREADCRUMB, True)
    assert not parse_page(legacy_fragment(["패션"])).needs_fragment


@pytest.mark.parametrize(
    ("text", "status", "outcome"),
    [
        (OFF_SALE, 200, Outcome.OFF_SALE),
        (OFF_SALE, 404, Outcome.OFF_SALE),
        ("<html><body>not found</body></html>", 404, Outcome.FAILED),
        (page_2025(["패션"]), 500, Outcome.FAILED),
        (page_2025(["패션"]), 403, Outcome.REFUSED),
        ("", 429, Outcome.REFUSED),
        (ACCESS_DENIED, 200, Outcome.REFUSED),
        (ACCESS_DENIED + " " * 10_000, 200, Outcome.NO_BREADCRUMB),
        ("<html><body><h1>상품</h1></body></html>", 200, Outcome.NO_BREADCRUMB),
        ("", 200, Outcome.NO_BREADCRUMB),
    ],
)
def test_outcomes_that_give_no_name(text: str, status: int, outcome: Outcome) -> None:
    page = parse_page(text, status)
    assert (page.outcome, page.names) == (outcome, ())
    assert page.reason


def test_sources_that_disagree_are_both_kept() -> None:
    page = parse_page(json_ld(["패션", "남성"]) + ul_breadcrumb(["패션", "여성"]))
    assert (page.names, page.parser) == (("패션", "남성"), "json_ld")
    assert page.alternatives == {"ul_breadcrumb": ("패션", "여성")}


@pytest.mark.parametrize(
    "broken", ["{", "[" * 100_000, '{"@type":"BreadcrumbList"}', '{"@type":["BreadcrumbList"],"itemListElement":7}',
               "NaN", '{"a":' + "9" * 5_000 + "}", '"\\ud800"'],
)  # fmt: skip
def test_json_ld_that_is_none_leaves_the_next_source(broken: str) -> None:
    page = parse_page(f'<script type="application/ld+json">{broken}</script>' + ul_breadcrumb(["패션", "여성"]))
    assert (page.names, page.parser) == (("패션", "여성"), "ul_breadcrumb")


def test_breadcrumb_inside_a_json_ld_graph_after_other_documents() -> None:
    graph = {"@graph": [{"@type": "Product", "name": "x"}, {"@type": "BreadcrumbList", "itemListElement": [
        {"@type": "ListItem", "position": 1, "item": {"@id": "/", "name": "홈"}},
        {"@type": "ListItem", "position": 2, "item": {"@id": "/np/categories/1", "name": "패션 &amp; 잡화"}},
    ]}]}  # fmt: skip
    text = f'<script type="application/ld+json">{json.dumps(graph)}</script>'
    assert parse_page(text).names == ("패션 & 잡화",)


def test_first_entry_that_is_a_category_is_not_taken_for_home() -> None:
    links = '<li><a href="/np/categories/1?x=1">패션</a></li><li><a href="/np/categories/2">여성</a></li>'
    breadcrumb = f'<ul class="breadcrumb">{links}</ul>'
    assert parse_page(breadcrumb).names == ("패션", "여성")


def test_names_carry_no_markup_script_or_control_characters() -> None:
    breadcrumb = (
        '<ul class="breadcrumb"><li><a href="/">home</a></li>'
        '<li><a href="/c/1">패션<script>alert(1)</script><b> 잡화 </b></a></li><li><a href="/c/2"> </a></li>'
        '<li><a href="/c/3">여성\n\t &amp;\u00a0 남성\u202e\x00</a></li></ul>'
    )
    assert parse_page(breadcrumb).names == ("패션 잡화", "여성 & 남성")
    assert clean_name("<script>alert(1)</script><b>패션</b>") == "패션"
    assert clean_name("패션") == "패션"


def test_at_most_five_levels() -> None:
    assert parse_page(page_2025(list("가나다라마바사"))).names == tuple("가나다라마")


def test_source_with_an_impossible_name_is_not_believed() -> None:
    page = parse_page(json_ld(["패션", "x" * 10_000]) + ul_breadcrumb(["패션", "여성"]))
    assert (page.names, page.parser) == (("패션", "여성"), "ul_breadcrumb")


@pytest.mark.filterwarnings("ignore:Input data is too big")
def test_hostile_nesting_and_repetition_end_quickly() -> None:
    deep = "<div>" * 200_000 + '<ul class="breadcrumb">' + "<li><a href='/c/1'>" * 50_000
    assert parse_page(deep).outcome in {Outcome.NAMED, Outcome.NO_BREADCRUMB}
    repeated = "<script>" + '"leafCategoryInfo":{"a":"' * 50_000 + "self.__next_f.push([1," * 50_000 + "</script>"
    assert parse_page(repeated).outcome is Outcome.NO_BREADCRUMB


fragments = st.sampled_from(
    [
        json_ld(["패션", "여성"]), ul_breadcrumb(["패션"]), legacy_fragment(["패션"]), PAGE_LEGACY,
        "<ul class=breadcrumb>", "<li><a title='", "<script type='application/ld+json'>", "</script>", "<script>",
        '{"@type":"BreadcrumbList","itemListElement":[', '"leafCategoryInfo":{"name":null,"parentsCategoryNames":[3]}',
        'self.__next_f.push([1,"', "<!--", "]]>", "\x00", "\ud800", "&#0;", "&#x110000;",
        "<div id=breadcrumb><a class=breadcrumb-link href='http://['>",
    ]
)  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.one_of(fragments, st.text(st.characters(), max_size=50)), max_size=12).map("".join),
    st.sampled_from([200, 404, 500]),
)
def test_any_text_parses_to_bounded_clean_names(text: str, status: int) -> None:
    page = parse_page(text, status)
    paths = [page.names, page.campaign, *page.alternatives.values()]
    assert all(len(path) <= MAX_LEVELS for path in [page.names, *page.alternatives.values()])
    for name in (name for path in paths for name in path):
        assert 0 < len(name) <= MAX_NAME_LENGTH
        assert name == " ".join(name.split())
        name.encode("utf-8")
    assert (page.outcome is Outcome.NAMED) == bool(page.names) == (page.parser is not None)


@settings(max_examples=60, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["@type", "name", "item", "itemListElement", "@id", "@graph"]), inner, max_size=4
            )
        ),
    )
)
def test_json_ld_of_any_shape_never_raises(document: Any) -> None:
    breadcrumb = {"@type": "BreadcrumbList", "itemListElement": document}
    leaf = {"leafCategoryInfo": {"name": document, "parentsCategoryNames": document}}
    for thing in (document, breadcrumb):
        parse_page(f'<script type="application/ld+json">{json.dumps(thing)}</script>')
    parse_page(flight(leaf))
