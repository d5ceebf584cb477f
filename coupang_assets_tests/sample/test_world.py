import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coupang_assets.errors import CoupangAssetsError
from coupang_assets.sample.generate import WorldOptions, generate_world
from coupang_assets.sample.world import CODE_COLUMNS, NAME_COLUMNS, World, shift_month

FILES = ("categories.csv", "products.parquet", "world.json")
SMALL = WorldOptions(months=3, products=500)


def digest(folder: Path) -> str:
    return hashlib.sha256(b"".join((folder / name).read_bytes() for name in FILES)).hexdigest()


def present(world: World, month: str) -> set[str]:
    return set(world.categories_in(month)["leaf_id"])


def test_the_same_options_give_the_same_bytes_in_every_process(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib; from coupang_assets.sample.generate import WorldOptions, generate_world;"
        "generate_world(WorldOptions(months=3, products=500)).save(pathlib.Path(sys.argv[1]))"
    )
    generate_world(SMALL).save(tmp_path / "here")
    for name, seed in (("a", "1"), ("b", "2")):
        subprocess.run(
            [sys.executable, "-c", program, str(tmp_path / name)],
            check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
        )
    assert digest(tmp_path / "a") == digest(tmp_path / "b") == digest(tmp_path / "here")


def test_another_seed_gives_another_world() -> None:
    other = generate_world(WorldOptions(seed=7, months=3, products=500))
    assert not other.products["title"].equals(generate_world(SMALL).products["title"])


def test_a_saved_world_comes_back_as_it_was(tmp_path: Path, world: World) -> None:
    world.save(tmp_path)
    loaded = World.load(tmp_path)
    pd.testing.assert_frame_equal(loaded.categories, world.categories)
    pd.testing.assert_frame_equal(loaded.products, world.products)
    assert (loaded.kind, loaded.options) == (world.kind, world.options)


@pytest.mark.parametrize("name", FILES[:2])
def test_a_damaged_world_names_the_file(tmp_path: Path, name: str) -> None:
    generate_world(SMALL).save(tmp_path)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[:-10])
    with pytest.raises(CoupangAssetsError, match=name):
        World.load(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(CoupangAssetsError, match=name):
        World.load(tmp_path)


@pytest.mark.parametrize("manifest", ["", "[]", "{}", '{"format": 99, "kind": "generated"}', "\x00"])
def test_a_manifest_that_cannot_be_used_is_said_so(tmp_path: Path, manifest: str) -> None:
    generate_world(SMALL).save(tmp_path)
    (tmp_path / "world.json").write_text(manifest)
    with pytest.raises(CoupangAssetsError, match=r"world\.json"):
        World.load(tmp_path)


def test_a_folder_without_a_manifest_holds_no_world(tmp_path: Path) -> None:
    assert not World.exists(tmp_path)
    with pytest.raises(CoupangAssetsError, match="no complete sample world"):
        World.load(tmp_path)


def test_the_manifest_tells_what_the_world_was_made_from(tmp_path: Path) -> None:
    generate_world(SMALL).save(tmp_path)
    manifest = json.loads((tmp_path / "world.json").read_text())
    assert manifest["kind"] == "generated"
    assert manifest["options"] == {"first_month": "2024_01", "months": 3, "products": 500, "seed": 20240401}


def test_every_month_gains_loses_and_renames(world: World) -> None:
    for month in (shift_month("2024_01", offset) for offset in range(-9, 60)):
        before, now = present(world, shift_month(month, -1)), present(world, month)
        assert 3 <= len(now - before) <= 8
        assert 1 <= len(before - now) <= 5
        names = [world.categories_in(m).set_index("leaf_id")["cate4_name"] for m in (shift_month(month, -1), month)]
        both = names[0].index.intersection(names[1].index)
        assert 1 <= (names[0][both].fillna("") != names[1][both].fillna("")).sum() <= 2


def test_a_longer_horizon_leaves_its_earlier_months_alone() -> None:
    short, long = (generate_world(WorldOptions(months=months, products=500)) for months in (2, 6))
    for month in ("2023_06", "2024_01", "2024_03"):
        pd.testing.assert_frame_equal(
            short.categories_in(month)[["leaf_id", *CODE_COLUMNS, *NAME_COLUMNS]],
            long.categories_in(month)[["leaf_id", *CODE_COLUMNS, *NAME_COLUMNS]],
        )
    assert present(short, "2024_03") == present(short, "2031_01") != present(long, "2024_04")
    shared = long.products.merge(short.products, on="product_id")
    assert len(shared) == len(short.products) and shared["title_x"].equals(shared["title_y"])


def test_codes_are_four_digits_and_one_a_node(world: World) -> None:
    categories = world.categories
    paths: dict[str, set[tuple[object, ...]]] = {}
    for depth, column in enumerate(CODE_COLUMNS, start=1):
        for row in categories.itertuples(index=False):
            node = tuple(getattr(row, name) for name in CODE_COLUMNS[:depth])
            paths.setdefault(getattr(row, column), set()).add(node)
    assert all(len(nodes) == 1 for nodes in paths.values())
    assert all(code.isdigit() and len(code) == 4 and code != "0000" for code in paths)
    assert categories["category4"].is_unique
    normal = categories[categories["kind"] == "normal"]
    assert (normal.groupby(["cate1_name", "cate2_name", "cate3_name"])["category3"].nunique() == 1).all()


def test_the_base_has_the_kinds_a_real_tree_has(world: World) -> None:
    base = world.categories_in("2024_01")
    always = base[base["first_month"].isna() & base["last_month"].isna()]
    assert 300 <= len(always) <= 450
    assert base["cate1_name"].nunique() >= 10
    kinds = base["kind"].value_counts()
    assert kinds["special"] >= 3 and kinds["shallow"] >= 3 and kinds["normal"] > 300
    special, shallow = base[base["kind"] == "special"], base[base["kind"] == "shallow"]
    assert special[list(NAME_COLUMNS)].isna().all(axis=None)
    assert shallow["cate4_name"].isna().all() and shallow["cate3_name"].notna().all()
    assert base[[*CODE_COLUMNS]].notna().all(axis=None)
    assert 0.03 < base["cate5_name"].notna().mean() < 0.5
    normal = base[base["kind"] == "normal"]
    assert normal.duplicated(["cate1_name", "cate4_name"]).sum() >= 5
    assert (normal.groupby("cate4_name")["cate1_name"].nunique() > 1).sum() >= 3


def test_traffic_is_heavy_tailed(world: World) -> None:
    by_leaf = world.products.groupby("leaf_id")["weight"].sum().sort_values(ascending=False)
    assert by_leaf.iloc[: len(by_leaf) // 10].sum() > 0.35 * by_leaf.sum()
    top = world.products.groupby("leaf_id")["weight"].agg(lambda weights: weights.max() / weights.sum())
    assert top.median() > 0.15


def test_pages_have_the_states_of_a_real_shop(world: World) -> None:
    pages = world.products["page"].value_counts(normalize=True)
    assert pages["off_sale"] == pytest.approx(0.08, abs=0.02)
    assert pages["no_breadcrumb"] == pytest.approx(0.02, abs=0.01)
    assert pages["refused_once"] == pytest.approx(0.02, abs=0.01)
    assert (world.products["layout"] == "legacy").mean() == pytest.approx(0.3, abs=0.03)
    campaigns = world.products[world.products["layout"] == "2025"]["campaign"].notna().mean()
    assert 0.01 < campaigns < 0.08


def test_nearly_every_category_has_a_good_page_among_its_five_most_popular(world: World) -> None:
    base = world.categories_in("2024_01")
    normal = base[base["kind"] == "normal"]["leaf_id"]
    products = world.products[world.products["leaf_id"].isin(normal)].sort_values("weight", ascending=False)
    good = products.groupby("leaf_id").head(5).groupby("leaf_id")["page"].agg(lambda pages: "ok" in set(pages))
    assert 1 <= (~good).sum() <= 8


def test_titles_look_like_a_shops(world: World) -> None:
    titles = world.products["title"]
    for pattern in (
        r"[A-Z]{2}\d",
        r"\d(?:ml|kg|g|L)\b",
        ",",
        '"',
        r"\[",
        "/",
        "\n",
        "🔥|⭐|💕|✅|🎁|🌿",
        "&",
        "<",
        r"1\+1",
    ):
        assert titles.str.contains(pattern, regex=True).sum() > 5, pattern
    assert titles.str.len().max() > 400
    assert 18 <= titles.str.len().median() <= 40
    assert 0.003 < titles.duplicated().mean() < 0.1
    assert world.products["product_id"].is_unique
    assert world.products["product_id"].str.fullmatch(r"[1-9]\d{6,9}").all()


def test_the_number_of_products_scales(world: World) -> None:
    at_start = world.categories[world.categories["first_month"].isna()]["leaf_id"]
    assert world.products["leaf_id"].isin(at_start).sum() == pytest.approx(12_000, rel=0.1)


@pytest.mark.parametrize(
    "options",
    [WorldOptions(months=-1), WorldOptions(products=0), WorldOptions(first_month="2024-01"), WorldOptions(months=3000)],
)
def test_options_out_of_range_are_refused(options: WorldOptions) -> None:
    with pytest.raises(CoupangAssetsError):
        generate_world(options)


@pytest.mark.parametrize("month", ["2024_13", "2024_00", "202405", "2024-05", "", "2024_05\n"])
def test_a_month_that_is_none_is_refused(month: str, world: World) -> None:
    with pytest.raises(CoupangAssetsError, match="no work month"):
        world.categories_in(month)


@settings(max_examples=50, deadline=None)
@given(st.integers(1990, 2100), st.integers(1, 12), st.integers(-200, 200))
def test_months_shift_back_and_forth(year: int, number: int, by: int) -> None:
    month = f"{year:04d}_{number:02d}"
    assert shift_month(shift_month(month, by), -by) == month
    assert (shift_month(month, abs(by)) > month) == (by != 0)
