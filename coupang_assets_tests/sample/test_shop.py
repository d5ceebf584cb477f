import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st
from parsel import Selector

from coupang_assets.errors import CoupangAssetsError
from coupang_assets.sample import pages
from coupang_assets.sample.shop import LoopbackShop
from coupang_assets.sample.world import NAME_COLUMNS, World

MONTH = "2024_05"


@pytest.fixture(scope="module")
def shop(world: World) -> LoopbackShop:
    return LoopbackShop(world, MONTH)


@pytest.fixture(scope="module")
def address(shop: LoopbackShop) -> Iterator[str]:
    with shop.serve() as base_url:
        yield base_url


@pytest.fixture(scope="module")
def catalogue(world: World) -> pd.DataFrame:
    return world.products.merge(world.categories_in(MONTH), on="leaf_id")


def some(catalogue: pd.DataFrame, condition: str) -> pd.Series:
    return catalogue.query(condition).iloc[1]


def names(product: pd.Series) -> list[str]:
    return [product[column] for column in NAME_COLUMNS if product[column] is not None]


def get(address: str, product_id: str, fragment: str = "") -> requests.Response:
    return requests.get(f"{address}/vp/products/{product_id}{fragment}", timeout=10)


def leaf_info(page: Selector) -> dict[str, object] | None:
    for script in page.xpath("//script/text()").getall():
        pushed = re.fullmatch(r"self\.__next_f\.push\((.*)\)", script)
        if pushed:
            found = re.search(r'"leafCategoryInfo":(\{.*?\})', json.loads(pushed[1])[1])
            return json.loads(found[1]) if found else None
    return None


def breadcrumb_list(page: Selector) -> list[str]:
    for script in page.css('script[type="application/ld+json"]::text').getall():
        data = json.loads(script)
        if data["@type"] == "BreadcrumbList":
            home, rest = data["itemListElement"]
            assert home["name"] == "쿠팡 홈"
            return [item["name"] for item in rest]
    return []


def test_a_2025_page_shows_its_category_three_times(address: str, catalogue: pd.DataFrame) -> None:
    product = some(catalogue, "layout == '2025' and page == 'ok' and kind == 'normal' and campaign.isna()")
    answer = get(address, product["product_id"])
    page = Selector(answer.text)
    links = page.css("ul.breadcrumb li a")
    assert answer.status_code == 200
    assert links[0].css("::text").get() == "쿠팡 홈"
    assert [link.attrib["title"] for link in links[1:]] == names(product) == breadcrumb_list(page)
    assert all(re.fullmatch(r"/np/categories/\d+\?eventCategory=breadcrumb", link.attrib["href"]) for link in links[1:])
    info = leaf_info(page)
    assert info is not None
    assert [info["name"], *info["parentsCategoryNames"]] == [*reversed(names(product)), "KAN", "HOME"]
    assert page.css("h1 span::text").get() == product["title"]


def test_a_five_level_category_shows_five_names(address: str, catalogue: pd.DataFrame) -> None:
    product = some(catalogue, "layout == '2025' and page == 'ok' and cate5_name.notna() and campaign.isna()")
    assert len(breadcrumb_list(Selector(get(address, product["product_id"]).text))) == 5


def test_a_campaign_stands_above_the_top_but_not_in_the_leafs_path(address: str, catalogue: pd.DataFrame) -> None:
    product = some(catalogue, "page == 'ok' and kind == 'normal' and campaign == '쿠팡수입'")
    page = Selector(get(address, product["product_id"]).text)
    assert breadcrumb_list(page) == ["쿠팡수입", *names(product)]
    assert page.css("ul.breadcrumb li a::attr(title)").getall() == ["쿠팡수입", *names(product)]
    info = leaf_info(page)
    assert info is not None and info["parentsCategoryNames"][-3] == product["cate1_name"]


def test_a_legacy_page_has_its_breadcrumb_elsewhere(address: str, catalogue: pd.DataFrame, shared_data: Path) -> None:
    product = some(catalogue, "layout == 'legacy' and page == 'ok' and kind == 'normal'")
    page = Selector(get(address, product["product_id"]).text)
    assert page.css("#breadcrumb-wrap") and not page.css("#breadcrumb-wrap *") and not page.css("ul.breadcrumb")
    fragment = get(address, product["product_id"], "/breadcrumb-gnbmenu").text
    links = Selector(fragment).css("#breadcrumb .breadcrumb-link")
    assert [link.attrib.get("title") for link in links] == [None, *names(product)]

    real = (shared_data / "product_pages" / "legacy_breadcrumb.html").read_text(encoding="utf-8")
    assert shape(fragment, names(product)) == shape(real, ["가전디지털", "1인방송 전문관", "카메라", "휴대폰"])


def shape(fragment: str, names: list[str]) -> list[str]:
    """The lines of one item of a legacy breadcrumb, names and numbers taken out."""
    item = fragment.split("<li>")[2]
    return [re.sub(r"\d+", "0", line.replace(names[0], "NAME")).strip() for line in item.splitlines()]


def test_a_refusal_is_the_real_shops_short_page(address: str, catalogue: pd.DataFrame, shared_data: Path) -> None:
    product = some(catalogue, "page == 'refused_once' and kind == 'normal'")
    first, second = (get(address, product["product_id"]) for _ in range(2))
    real = (shared_data / "product_pages" / "access_denied_403.html").read_text(encoding="utf-8")
    assert first.status_code == 403
    assert re.sub(r"\d{5,}", "0", first.text).split() == re.sub(r"\d{5,}", "0", real).split()
    assert second.status_code == 200 and product["title"].split()[0] in second.text


def test_a_product_off_sale_is_no_category(address: str, catalogue: pd.DataFrame) -> None:
    answer = get(address, some(catalogue, "page == 'off_sale'")["product_id"])
    assert Selector(answer.text).css(".prod-not-find-unknown")
    assert not Selector(answer.text).css("ul.breadcrumb, #breadcrumb-wrap")


@pytest.mark.parametrize(
    "condition", ["page == 'no_breadcrumb' and kind == 'normal'", "kind == 'special' and page == 'ok'"]
)
def test_pages_without_a_category_show_none(address: str, catalogue: pd.DataFrame, condition: str) -> None:
    page = Selector(get(address, some(catalogue, f"layout == '2025' and {condition}")["product_id"]).text)
    assert not page.css("ul.breadcrumb") and not breadcrumb_list(page) and leaf_info(page) is None
    legacy = some(catalogue, f"layout == 'legacy' and {condition}")["product_id"]
    links = Selector(get(address, legacy, "/breadcrumb-gnbmenu").text).css("#breadcrumb .breadcrumb-link::text")
    assert links.getall() == ["쿠팡 홈"]


def test_a_shallow_category_shows_three_names(address: str, catalogue: pd.DataFrame) -> None:
    product = some(catalogue, "kind == 'shallow' and page == 'ok' and layout == '2025' and campaign.isna()")
    assert breadcrumb_list(Selector(get(address, product["product_id"]).text)) == names(product)
    assert len(names(product)) == 3


def test_unknown_addresses_are_not_found(address: str, catalogue: pd.DataFrame) -> None:
    assert get(address, "1").status_code == 404
    assert get(address, some(catalogue, "layout == '2025'")["product_id"], "/breadcrumb-gnbmenu").status_code == 404
    assert requests.get(f"{address}/np/search?q=x", timeout=10).status_code == 404


def test_robots_allow_products_and_forbid_search(address: str) -> None:
    lines = requests.get(f"{address}/robots.txt", timeout=10).text.splitlines()
    assert "Allow: /vp/products/" in lines and "Disallow: /np/search" in lines


def test_names_are_those_of_the_month(world: World) -> None:
    renamed = world.categories[world.categories["rename_month"] == "2024_06"].iloc[0]
    products = world.products[(world.products["leaf_id"] == renamed["leaf_id"]) & (world.products["page"] == "ok")]
    product = products[products["layout"] == "2025"].iloc[0]["product_id"]
    texts = [LoopbackShop(world, month).answer(product)[1] for month in ("2024_05", "2024_06", None)]
    shown = [breadcrumb_list(Selector(text)) for text in texts]
    assert renamed["cate4_name"] in shown[0]
    assert renamed["renamed_cate4_name"] in shown[1] and shown[1] == shown[2]


def test_products_of_later_categories_do_not_exist_yet(world: World) -> None:
    later = world.categories[world.categories["first_month"] == "2024_06"]["leaf_id"]
    product = world.products[world.products["leaf_id"].isin(later) & (world.products["page"] == "ok")].iloc[0]
    assert LoopbackShop(world, "2024_05").answer(product["product_id"])[0] == 404
    assert LoopbackShop(world, "2024_06").answer(product["product_id"])[0] == 200


@settings(max_examples=40, deadline=None)
@given(st.text(alphabet="가나&<>\"'/ A\\", min_size=1, max_size=12).filter(lambda name: name == name.strip()))
def test_names_survive_html(name: str) -> None:
    path = [("100001", "식품"), ("100002", name)]
    page = Selector(pages.product_2025("1", name, path, path))
    assert page.css("ul.breadcrumb li a::attr(title)").getall() == ["식품", name]
    assert page.css("ul.breadcrumb li a::text").getall() == ["쿠팡 홈", "식품", name]
    assert breadcrumb_list(page) == ["식품", name]
    fragment = Selector(pages.breadcrumb_legacy(path))
    assert fragment.css(".breadcrumb-link::attr(title)").getall() == ["식품", name]


def test_a_title_cannot_break_out_of_its_script() -> None:
    title = "</script><b>굵게</b> <!-- \n 텀블러"
    page = Selector(pages.product_2025("1", title, [("100001", "식품")], [("100001", "식품")]))
    assert json.loads(page.css('script[type="application/ld+json"]::text').get() or "")["name"] == title
    assert not page.css("b")
    assert leaf_info(page) is not None


def test_every_request_is_logged(world: World, tmp_path: Path) -> None:
    log = tmp_path / "logs" / "access.jsonl"
    shop = LoopbackShop(world, MONTH, access_log=log)
    with shop.serve() as base_url:
        requests.get(f"{base_url}/vp/products/1", headers={"User-Agent": "tester/1"}, timeout=10)
        requests.get(f"{base_url}/robots.txt", timeout=10)
    assert [(access.path, access.status) for access in shop.accesses] == [("/vp/products/1", 404), ("/robots.txt", 200)]
    assert shop.accesses[0].user_agent == "tester/1"
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["status"] for line in lines] == [404, 200] and lines[0]["time"].endswith("+00:00")


def test_the_blocking_way_ends_quietly_on_interrupt(tmp_path: Path) -> None:
    program = (
        "from coupang_assets.sample.generate import WorldOptions, generate_world;"
        "from coupang_assets.sample.shop import LoopbackShop;"
        "world = generate_world(WorldOptions(months=0, products=100));"
        "LoopbackShop(world).run(on_start=lambda address: print(address, flush=True))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": ":".join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    assert requests.get(f"{address}/robots.txt", timeout=10).status_code == 200
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=20)[1] == ""
    assert process.returncode == 0


def test_a_taken_port_is_named_and_errors_of_the_caller_pass_through(
    shop: LoopbackShop, address: str, world: World
) -> None:
    port = int(address.rsplit(":", 1)[1])
    with pytest.raises(CoupangAssetsError, match=str(port)), LoopbackShop(world, MONTH).serve(port):
        pass
    with pytest.raises(ConnectionError), LoopbackShop(world, MONTH).serve():
        raise ConnectionError("of the caller")


def test_it_serves_hundreds_of_pages_a_second(address: str, catalogue: pd.DataFrame) -> None:
    session = requests.Session()
    ids = catalogue["product_id"].iloc[:600]
    with ThreadPoolExecutor(4) as pool:
        started = time.perf_counter()
        statuses = list(pool.map(lambda product: session.get(f"{address}/vp/products/{product}").status_code, ids))
        seconds = time.perf_counter() - started
    assert set(statuses) <= {200, 403}
    assert len(ids) / seconds > 100
