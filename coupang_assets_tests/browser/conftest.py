"""A UI with one finished month, a browser, and pictures for the README.

``COUPANG_SCREENSHOTS=1`` makes the same tests write ``coupang_assets/docs/*.png``, from a month of the default size.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import coupang_assets
from coupang_assets_tests.browser.ui import DagsterUI, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page, Response

SCREENSHOTS = os.environ.get("COUPANG_SCREENSHOTS") == "1"
PAGE_TIMEOUT_MS = 60_000
_DOCS = Path(coupang_assets.__file__).with_name("docs")
# Of so few titles nothing can be demanded.
_SMALL = {
    "COUPANG_SAMPLE__EVENTS_PER_DAY": "400",
    "COUPANG_CHAMPION__MINIMUM_ACCURACY": "0",
    "COUPANG_CHAMPION__MINIMUM_CATEGORY_ACCURACY": "0",
}
_PICTURE_BYTES = 300_000
_CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# A graph that reads from top to bottom, with less on each node and a narrow navigation, fits a page of text.
_COMPACT_VIEW = """
    localStorage.setItem('asset-graph-direction', '"vertical"');
    localStorage.setItem('asset-node-facets', '["checks", "kind-tag"]');
    localStorage.setItem('dagster-nav-collapsed', 'true');
    localStorage.setItem('large-screen-nav-open', 'false');
"""

Picture = Callable[["Page", str], None]


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """Chromium; for one module only, because Playwright's loop stays in the thread as long as it lives."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("chromium is not on the PATH (nor named by CHROMIUM)")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=_CHROMIUM_FLAGS)
        playwright.expect.set_options(timeout=PAGE_TIMEOUT_MS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def ui(browser: "Browser", tmp_path_factory: pytest.TempPathFactory) -> Iterator[DagsterUI]:
    """``coupang-assets ui`` on an empty root; needs the browser, so that nothing starts where there is none."""
    small = {} if SCREENSHOTS else _SMALL
    with serving(tmp_path_factory.mktemp("ui") / "coupang_category", small) as ui:
        yield ui


@pytest.fixture(scope="module")
def open_page(browser: "Browser", ui: DagsterUI) -> Iterator[Callable[..., "Page"]]:
    """Opens a path of the UI in a fresh profile. At the end, no script and no request of any page has failed."""
    contexts: list[BrowserContext] = []
    failures: list[str] = []

    def note_refusal(answer: "Response") -> None:
        if answer.status >= 400:
            failures.append(f"{answer.status} {answer.url}")

    def open_(path: str, width: int = 1400, height: int = 900) -> "Page":
        context = browser.new_context(
            base_url=ui.url, viewport={"width": width, "height": height}, timezone_id="Asia/Seoul", locale="en-US"
        )
        contexts.append(context)
        context.set_default_timeout(PAGE_TIMEOUT_MS)
        context.add_init_script(_COMPACT_VIEW)
        page = context.new_page()
        page.on("pageerror", lambda error: failures.append(f"{path}: {error}"))
        page.on("response", note_refusal)
        page.goto(path)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert not failures


@pytest.fixture(scope="session")
def picture() -> Picture:
    """Takes a page's picture into ``coupang_assets/docs``, where pictures are wanted."""

    def take(page: "Page", name: str) -> None:
        if not SCREENSHOTS:
            return
        page.mouse.move(0, 0)
        page.evaluate("document.fonts.ready")
        _DOCS.mkdir(exist_ok=True)
        png = page.screenshot(animations="disabled")
        assert len(png) < _PICTURE_BYTES, f"{name} has {len(png)} bytes"
        (_DOCS / f"{name}.png").write_bytes(png)

    return take
