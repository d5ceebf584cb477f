"""What a person does in the Dagster UI: materialize a month, read its lineage, see report, checks and dictionary."""

import csv
import itertools
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from coupang_assets.datasets import DATASETS
from coupang_assets_tests.browser.conftest import Picture
from coupang_assets_tests.browser.ui import DagsterUI

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.browser

MONTH = "2024_05"
DAYS = [f"202404{day:02d}" for day in range(1, 30, 4)]
FILES = [
    *(f"raw/{day}.csv" for day in DAYS),
    "new_unique.csv",
    "diff_data.csv",
    "coupang_cate_all.csv",
    "updated_unique.csv",
    "category_merge.csv",
    *(f"define/{day}.csv" for day in DAYS),
    "cate_dictionary.csv",
    "coupang_train_3000_2024_05.csv",
    "coupang_bpe_2024_05.model",
    "btm_percent_dict_2024_05.pickle",
]
CHAIN = [
    "raw_dailies",
    "new_unique",
    "diff_data",
    "crawl_journal",
    "coupang_cate_all",
    "category_merge",
    "define_dailies",
    "coupang_train",
    "btm_percent_dict",
]
# Left out of a run of everything: what a person asks for by name.
ON_REQUEST = {dataset.name for dataset in DATASETS.values() if dataset.on_request}
RUN_TIMEOUT_MS = 300_000

OpenPage = Callable[..., "Page"]


@pytest.fixture(scope="module")
def run_id(ui: DagsterUI, open_page: OpenPage, picture: Picture) -> str:
    """The run a person launches with "Materialize all" for one month, when it has succeeded before their eyes."""
    from playwright.sync_api import expect

    page = open_page("/asset-groups")
    page.get_by_role("button", name="Materialize all").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text(re.compile(r"Launch runs to materialize \d+ assets"))).to_be_visible()
    dialog.get_by_placeholder("ex: ").fill(MONTH)
    dialog.get_by_placeholder("ex: ").press("Enter")
    expect(dialog.get_by_text("1 partition", exact=True)).to_be_visible()
    launch = dialog.get_by_role("button", name="Launch 1 run")
    expect(launch).to_be_enabled()
    picture(page, "materialize")
    launch.click()

    page.get_by_text("View", exact=True).click()
    page.wait_for_url("**/runs/*")
    expect(page.get_by_text("Success", exact=True)).to_be_visible(timeout=RUN_TIMEOUT_MS)
    return page.url.rsplit("/", 1)[-1]


def test_month_is_materialized_from_the_lineage_page(ui: DagsterUI, run_id: str) -> None:
    runs = ui.graphql("{ runsOrError { ... on Runs { results { runId status tags { key value } } } } }")
    (run,) = runs["runsOrError"]["results"]
    assert (run["runId"], run["status"]) == (run_id, "SUCCESS")
    assert {"key": "dagster/partition", "value": MONTH} in run["tags"]

    nodes = ui.graphql(
        "{ assetNodes { assetKey { path } isMaterializable assetMaterializations { partition runId } } }"
    )["assetNodes"]
    made = {node["assetKey"]["path"][-1]: node["assetMaterializations"] for node in nodes if node["isMaterializable"]}
    assert set(CHAIN) < set(made)
    of_no_month = {"products_all", "product_predictions"}
    once = {name: [{"partition": None if name in of_no_month else MONTH, "runId": run_id}] for name in made}
    assert made == once | {name: [] for name in ON_REQUEST}

    folder = ui.root / "data" / MONTH
    assert [name for name in FILES if not (folder / name).is_file() or not (folder / name).stat().st_size] == []
    assert list((ui.root / "warehouse" / "rt_category_info_coupang" / "day=20240501").glob("*.parquet"))


def test_run_page_shows_every_step_succeeded(ui: DagsterUI, open_page: OpenPage, run_id: str, picture: Picture) -> None:
    from playwright.sync_api import expect

    run = ui.graphql(
        "query ($id: ID!) { runOrError(runId: $id) { ... on Run { stepStats { stepKey status } } } }", id=run_id
    )
    steps = {step["stepKey"]: step["status"] for step in run["runOrError"]["stepStats"]}
    assert set(CHAIN) < set(steps)
    skipped = {name for name, status in steps.items() if status == "SKIPPED"}
    assert skipped < ON_REQUEST
    assert {status for name, status in steps.items() if name not in skipped} == {"SUCCESS"}

    page = open_page(f"/runs/{run_id}", width=1400, height=1160)
    succeeded = page.get_by_text(f"Succeeded ({len(steps) - len(skipped)})")
    expect(succeeded).to_be_visible()
    expect(page.get_by_text("Errored (0)")).to_be_visible()
    expect(page.get_by_text(f"partition: {MONTH}")).to_be_visible()
    page.get_by_role("button").filter(has=page.get_by_role("img", name="expand_arrows")).first.click()
    succeeded.click()
    for name in steps.keys() - skipped:
        expect(page.get_by_text(name, exact=True).last).to_be_visible()
    picture(page, "run")


def test_lineage_shows_an_uninterrupted_chain(
    ui: DagsterUI, open_page: OpenPage, run_id: str, picture: Picture
) -> None:
    from playwright.sync_api import expect

    nodes = ui.graphql("{ assetNodes { assetKey { path } dependencyKeys { path } hasAssetChecks } }")["assetNodes"]
    upstream = {node["assetKey"]["path"][-1]: {key["path"][-1] for key in node["dependencyKeys"]} for node in nodes}
    assert [(a, b) for a, b in itertools.pairwise(CHAIN) if a not in upstream[b]] == []

    # Group by group, as the page opens; then every dataset, in a window wide enough for whole names.
    page = open_page("/asset-groups", width=1300, height=1000)
    _without_side_bar(page)
    for group in {dataset.step.value for dataset in DATASETS.values()}:
        expect(page.get_by_text(group, exact=True).first).to_be_visible()
    expect(page.get_by_text("fetching statuses")).to_have_count(0)
    picture(page, "lineage")
    page = open_page("/asset-groups", width=4200, height=2600)
    _without_side_bar(page)
    page.keyboard.press("Alt+e")
    for name in upstream:
        node = page.get_by_text(name, exact=True)
        expect(node).to_be_visible()
        expect(node).to_be_in_viewport(ratio=1)
    expect(page.get_by_text("Passed")).to_have_count(sum(node["hasAssetChecks"] for node in nodes))

    page = open_page("/assets/btm_percent_dict?view=lineage&lineageScope=upstream&lineageDepth=20")
    for name in CHAIN:
        expect(page.get_by_text(name, exact=True).last).to_be_visible()


def test_report_shows_the_confusion_heat_map(open_page: OpenPage, run_id: str, picture: Picture) -> None:
    from playwright.sync_api import expect

    page = open_page("/assets/biterm_report")
    _metadata_row(page, "confusion").get_by_text("[Show Markdown]").click()
    heat_map = page.get_by_role("dialog").locator("img")
    expect(heat_map).to_be_visible()
    page.wait_for_function("image => image.complete && image.naturalWidth > 0", arg=heat_map.element_handle())
    width, height = heat_map.evaluate("image => [image.naturalWidth, image.naturalHeight]")
    page.set_viewport_size({"width": max(1400, width + 300), "height": height + 320})
    picture(page, "report")


def test_checks_are_seen(ui: DagsterUI, open_page: OpenPage, run_id: str, picture: Picture) -> None:
    from playwright.sync_api import expect

    page = open_page("/assets/coupang_cate_all?view=checks", width=1400, height=800)
    expect(page.get_by_text("Passed", exact=True)).to_be_visible()
    expect(page.get_by_text("Checks (", exact=False)).to_be_visible()
    page.get_by_text("new_categories_named").first.click()
    expect(page.get_by_text(re.compile(r"\d+ of \d+ new categories named")).first).to_be_visible()
    picture(page, "checks")

    nodes = ui.graphql(
        "{ assetNodes { assetChecksOrError { ... on AssetChecks { checks {"
        " name executionForLatestMaterialization { status runId } } } } } }"
    )["assetNodes"]
    checks = [check for node in nodes for check in node["assetChecksOrError"].get("checks", [])]
    assert checks
    assert {check["name"]: check["executionForLatestMaterialization"] for check in checks} == {
        check["name"]: {"status": "SUCCEEDED", "runId": run_id} for check in checks
    }


def test_dictionary_preview_keeps_zeros_and_korean(
    ui: DagsterUI, open_page: OpenPage, run_id: str, picture: Picture
) -> None:
    from playwright.sync_api import expect

    with (ui.root / "data" / MONTH / "coupang_cate_all.csv").open(encoding="utf-8", newline="") as file:
        first = next(csv.DictReader(file))
    assert first["category1"].startswith("0")
    page = open_page(f"/assets/coupang_cate_all?view=partitions&partition={MONTH}", width=1900, height=1000)
    preview = _metadata_row(page, "preview")
    for column in ("category1", "category4", "cate1_name", "cate4_name"):
        expect(preview.get_by_text(first[column], exact=True).first).to_be_visible()
    height = preview.evaluate("row => row.getBoundingClientRect().height")
    page.set_viewport_size({"width": 1900, "height": round(height) + 180})
    preview.scroll_into_view_if_needed()
    picture(page, "dictionary")


def test_columns_of_the_dictionary_are_traced_to_the_events(
    ui: DagsterUI, open_page: OpenPage, run_id: str, picture: Picture
) -> None:
    from playwright.sync_api import expect

    nodes = ui.graphql(
        '{ assetNodes(assetKeys: [{path: ["cate_dictionary"]}]) { assetMaterializations(limit: 1) { metadataEntries {'
        " ... on TableColumnLineageMetadataEntry { lineage { columnName columnDeps { assetKey { path } columnName } } }"
        " } } } }"
    )["assetNodes"]
    entries = nodes[0]["assetMaterializations"][0]["metadataEntries"]
    (columns,) = [entry["lineage"] for entry in entries if "lineage" in entry]
    (code,) = [column["columnDeps"] for column in columns if column["columnName"] == "lv4_code"]
    assert {(dep["assetKey"]["path"][0], dep["columnName"]) for dep in code} == {
        ("coupang_cate_all", "category4"),
        ("category_merge", "category4"),
    }

    page = open_page(f"/assets/cate_dictionary?view=partitions&partition={MONTH}", width=1500, height=1000)
    lineage = _metadata_row(page, "column lineage")
    for text in ("lv4_code", "coupang_cate_all.category4", "category_merge.category4", "coupang_cate_all.cate4_name"):
        expect(lineage.get_by_text(text, exact=True).first).to_be_visible()
    height = lineage.evaluate("row => row.getBoundingClientRect().height")
    page.set_viewport_size({"width": 1500, "height": round(height) + 180})
    lineage.scroll_into_view_if_needed()
    picture(page, "columns")


def test_model_says_what_it_was_made_from(ui: DagsterUI, open_page: OpenPage, run_id: str) -> None:
    from playwright.sync_api import expect

    page = open_page(f"/assets/btm_percent_dict?view=partitions&partition={MONTH}", width=1500, height=1600)
    made_from = _metadata_row(page, "made from")
    for name in ("raw_dailies", "coupang_cate_all", "coupang_train"):
        expect(made_from.get_by_text(name, exact=True).first).to_be_visible()
    expect(_metadata_row(page, "provenance")).to_be_visible()


def _without_side_bar(page: "Page") -> None:
    from playwright.sync_api import expect

    expect(page.get_by_text("step6_classifier").first).to_be_visible()
    page.get_by_role("button").filter(has=page.get_by_role("img", name="panel_show_right")).last.click()


def _metadata_row(page: "Page", key: str) -> "Locator":
    return page.get_by_role("row").filter(has=page.get_by_role("cell").get_by_text(key, exact=True)).first
