"""A person types titles on the service's page and sees the paths with their scores."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from coupang_assets_tests.browser.conftest import PAGE_TIMEOUT_MS, Picture
from coupang_assets_tests.months import run_month, small_settings
from coupang_assets_tests.serving.process import service

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def address(browser: "Browser", tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service with one month's model; needs the browser, so that nothing starts where there is none."""
    root: Path = tmp_path_factory.mktemp("page") / "root"
    assert run_month(small_settings(root, sample={"events_per_day": 3000}), "2024_05").success
    with service(root) as (port, _):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def page(browser: "Browser", address: str) -> Iterator["Page"]:
    page = browser.new_page(viewport={"width": 900, "height": 640}, locale="ko-KR")
    page.set_default_timeout(PAGE_TIMEOUT_MS)
    page.goto(address)
    yield page
    page.close()


def test_titles_get_paths_with_scores(page: "Page", picture: Picture) -> None:
    from playwright.sync_api import expect

    expect(page.locator("#model")).to_contain_text("2024_05/")
    page.get_by_label("Product titles").fill("여성 원피스 블랙\n😀")
    page.get_by_role("button", name="Classify").click()
    expect(page.locator("section")).to_have_count(2)
    first, second = page.locator("section").all()
    expect(first.locator(".candidate")).to_have_count(3)
    expect(first.locator(".candidate").first).to_contain_text("›")
    expect(second).to_contain_text("nothing in this title is known")
    picture(page, "service")


def test_a_refusal_is_shown_in_its_own_words(page: "Page") -> None:
    from playwright.sync_api import expect

    page.get_by_label("Product titles").fill("x" * 1001)
    page.get_by_role("button", name="Classify").click()
    expect(page.get_by_role("alert")).to_contain_text("at most 1000")
