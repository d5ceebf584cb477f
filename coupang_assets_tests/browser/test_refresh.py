"""What a person who never opens a shell does to refresh a month: look, see why, refresh, see that it is done."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from coupang_assets.datasets import DATASETS
from coupang_assets_tests.browser.conftest import Picture
from coupang_assets_tests.browser.ui import DagsterUI

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

MONTH = "2024_05"
RUN_TIMEOUT_MS = 300_000

# What only a person asks for, and the products, which are no month's.
NOT_OF_THE_MONTH = [
    *(name for name, dataset in DATASETS.items() if dataset.on_request),
    *("products_all", "product_predictions"),
]
OpenPage = Callable[..., "Page"]


def launch(open_page: OpenPage, job: str, picture: Callable[["Page"], None] = lambda page: None) -> "Page":
    """Choose a job, pick the month, launch it, and wait until it has succeeded before one's eyes."""
    from playwright.sync_api import expect

    page = open_page("/jobs")
    page.get_by_text(job, exact=True).first.click()
    page.get_by_role("tab", name="Launchpad").click()
    partition = page.get_by_placeholder("Partition")
    partition.click()
    partition.fill(MONTH)
    page.get_by_role("menuitem").get_by_text(MONTH, exact=True).click()
    start = page.get_by_role("button", name="Launch Run")
    expect(start).to_be_enabled()
    page.mouse.move(0, 0)
    expect(page.get_by_text("Copy tag")).to_have_count(0)
    picture(page)
    start.click()
    page.wait_for_url("**/runs/*")
    expect(page.get_by_text("Success", exact=True)).to_be_visible(timeout=RUN_TIMEOUT_MS)
    return page


def materializations(ui: DagsterUI) -> dict[str, int]:
    nodes = ui.graphql("{ assetNodes { assetKey { path } isMaterializable assetMaterializations { runId } } }")
    return {
        node["assetKey"]["path"][-1]: len(node["assetMaterializations"])
        for node in nodes["assetNodes"]
        if node["isMaterializable"]
    }


def shown(page: "Page", key: str) -> str:
    """A value of the metadata table of a dataset's page."""
    row = page.get_by_role("row").filter(has=page.get_by_role("cell").get_by_text(key, exact=True)).first
    return row.get_by_role("cell").nth(1).inner_text()


def test_a_month_is_refreshed_from_the_ui(ui: DagsterUI, open_page: OpenPage, picture: Picture) -> None:
    from playwright.sync_api import expect

    # A month that was never made: everything is missing, so everything is made, each dataset in a run of its own.
    launch(open_page, "refresh_month")
    made = materializations(ui)
    assert {name: count for name, count in made.items() if count != 1} == dict.fromkeys(NOT_OF_THE_MONTH, 0)

    # A person corrects the dictionary by hand.
    dictionary = ui.root / "data" / MONTH / "coupang_cate_all.csv"
    text = dictionary.read_text(encoding="utf-8")
    name = re.findall(r",([가-힣]+),", text)[0]
    dictionary.write_text(text.replace(f",{name},", f",새 {name},"), encoding="utf-8")

    # Why each dataset is stale now stands on its page.
    launch(open_page, "status_month")
    page = open_page(f"/assets/category_merge?view=partitions&partition={MONTH}", width=1500, height=760)
    expect(page.get_by_text(f"coupang_cate_all@{MONTH} is another version")).to_be_visible()
    assert shown(page, "state") == "stale"
    picture(page, "stale")
    assert materializations(ui) == made, "looking makes nothing"

    # Refreshed, and nothing but what follows from the correction.
    page = launch(open_page, "refresh_month", picture=lambda page: picture(page, "refresh"))
    run_id = page.url.rsplit("/", 1)[-1].partition("?")[0]
    again = {each for each, count in materializations(ui).items() if count > made[each]}
    assert {"category_merge", "cate_dictionary", "rt_category_info_coupang"} <= again
    assert not again & {"raw_dailies", "new_unique", "updated_unique", "diff_data", "crawl_journal", "coupang_cate_all"}
    runs = ui.graphql(
        "{ runsOrError { ... on Runs { results { status tags { key value } assetSelection { path } } } } }"
    )
    child_of = {"key": "dagster/parent_run_id", "value": run_id}
    children = [run for run in runs["runsOrError"]["results"] if child_of in run["tags"]]
    assert {run["assetSelection"][0]["path"][-1] for run in children} == again
    assert {run["status"] for run in children} == {"SUCCESS"}
    page = open_page(f"/assets/category_merge?view=partitions&partition={MONTH}", width=1500, height=760)
    expect(page.get_by_text(f"coupang_cate_all@{MONTH} is another version")).to_be_visible()
    assert shown(page, "state").startswith("made")


def test_the_sensor_that_keeps_months_fresh_is_there_and_off(ui: DagsterUI, open_page: OpenPage) -> None:
    from playwright.sync_api import expect

    page = open_page("/automation")
    expect(page.get_by_text("keep_fresh", exact=True)).to_be_visible()
    found = ui.graphql(
        '{ sensorsOrError(repositorySelector: { repositoryName: "__repository__", '
        'repositoryLocationName: "coupang_assets.definitions" }) '
        "{ ... on Sensors { results { name sensorState { status } } } } }"
    )
    statuses = {sensor["name"]: sensor["sensorState"]["status"] for sensor in found["sensorsOrError"]["results"]}
    assert statuses["keep_fresh"] == "STOPPED"
