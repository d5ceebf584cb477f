import datetime as dt
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from pyarrow import orc

from coupang_assets.errors import CoupangAssetsError
from coupang_assets.sample.events import EVENT_SCHEMA, EventOptions, partition_file, write_day
from coupang_assets.sample.generate import WorldOptions, generate_world
from coupang_assets.sample.world import CODE_COLUMNS, World

DAY = dt.date(2024, 4, 5)


def read(path: Path) -> pd.DataFrame:
    return orc.read_table(path).to_pandas()


@pytest.fixture(scope="module")
def day(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = partition_file(tmp_path_factory.mktemp("table"), DAY)
    assert write_day(world, DAY, path) == 20_000
    return path


def test_a_day_is_one_orc_file_in_hives_layout(day: Path) -> None:
    assert day.parts[-2:] == ("day=20240405", "000000_0.orc")
    assert [path.name for path in day.parent.iterdir()] == ["000000_0.orc"]
    file = orc.ORCFile(day)
    assert file.schema.remove_metadata() == EVENT_SCHEMA
    assert file.nrows == 20_000


def test_rows_show_products_of_the_days_categories(day: Path, world: World) -> None:
    events = read(day).query("rt_cd == 300")
    present = world.categories_in("2024_05").set_index("leaf_id")
    full = events.dropna(subset=list(CODE_COLUMNS))
    assert set(full["category4"]) <= set(present["category4"])
    joined = full.merge(world.products, on="product_id").merge(present, left_on="leaf_id", right_index=True)
    assert len(joined) == len(full)
    for name in CODE_COLUMNS:
        assert (joined[f"{name}_x"] == joined[f"{name}_y"]).all()


def test_a_category_is_seen_from_its_first_month_to_its_last(world: World, tmp_path: Path) -> None:
    options = EventOptions(events=60_000)
    for number, name in ((4, "april"), (5, "may")):
        write_day(world, dt.date(2024, number, 1), tmp_path / name, options)
    april, may = (set(read(tmp_path / name).query("rt_cd == 300")["category4"].dropna()) for name in ("april", "may"))
    categories = world.categories
    assert set(categories[categories["first_month"] == "2024_06"]["category4"]) <= may - april
    assert set(categories[categories["last_month"] == "2024_05"]["category4"]) <= april - may


def test_rows_have_the_gaps_of_real_events(day: Path) -> None:
    events = read(day)
    assert 0.03 < (events["rt_cd"] != 300).mean() < 0.07
    assert 0 < events["ep_title"].isna().mean() < 0.01
    assert 0 < (events["ep_title"] == "").mean() < 0.01
    bare = events[list(CODE_COLUMNS)].isna()
    assert 0 < bare.all(axis=1).mean() < 0.01
    assert 0 < (bare["category4"] & ~bare["category1"]).mean() < 0.01
    assert not (bare["category1"] & ~bare["category4"]).any()
    codes = events.query("rt_cd == 300")["category4"].dropna()
    assert codes.str.fullmatch(r"\d{4}").all()


def test_other_shops_have_products_and_codes_of_their_own(day: Path) -> None:
    events = read(day)
    own, others = events[events["rt_cd"] == 300], events[events["rt_cd"] != 300]
    assert set(own["product_id"]).isdisjoint(others["product_id"])
    assert set(own["category4"].dropna()).isdisjoint(others["category4"].dropna())


def test_traffic_is_heavy_tailed(day: Path) -> None:
    counts = read(day).query("rt_cd == 300")["product_id"].value_counts()
    assert counts.iloc[: len(counts) // 10].sum() > 0.4 * counts.sum()
    assert (counts <= 2).mean() > 0.3


def test_a_day_is_the_same_in_every_process_and_order(world: World, tmp_path: Path) -> None:
    small, options = generate_world(WorldOptions(months=3, products=500)), EventOptions(events=3_000)
    small.save(tmp_path / "world")
    program = (
        "import sys, datetime, pathlib; from coupang_assets.sample.world import World;"
        "from coupang_assets.sample.events import EventOptions, write_day;"
        "folder = pathlib.Path(sys.argv[1]);"
        "world = World.load(folder / 'world'); options = EventOptions(events=3_000);"
        "write_day(world, datetime.date(2024, 4, 5), folder / 'there', options)"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, env={"PYTHONPATH": ":".join(sys.path)})
    write_day(small, dt.date(2024, 4, 1), tmp_path / "first", options)
    write_day(small, DAY, tmp_path / "here", options)
    assert (tmp_path / "here").read_bytes() == (tmp_path / "there").read_bytes()
    assert (tmp_path / "here").read_bytes() != (tmp_path / "first").read_bytes()


def test_days_larger_than_a_batch_keep_their_rows(world: World, tmp_path: Path) -> None:
    assert write_day(world, DAY, tmp_path / "large", EventOptions(events=300_000)) == 300_000
    events = orc.read_table(tmp_path / "large")
    assert events.num_rows == 300_000
    assert events.slice(262_144, 1000) != events.slice(0, 1000)


def test_an_empty_day_is_a_valid_file_without_rows(world: World, tmp_path: Path) -> None:
    assert write_day(world, DAY, tmp_path / "empty", EventOptions(events=0)) == 0
    assert orc.read_table(tmp_path / "empty").schema.remove_metadata() == EVENT_SCHEMA


def test_junk_comes_only_when_asked_for(world: World, tmp_path: Path) -> None:
    write_day(world, DAY, tmp_path / "junk", EventOptions(events=2_000, junk_codes=2, junk_titles=5))
    events = read(tmp_path / "junk").query("rt_cd == 300")
    codes = events["category4"].dropna()
    assert (~codes.str.fullmatch(r"\d{4}")).sum() == 2
    titles = events["ep_title"].dropna()
    assert titles.str.contains("\x00", regex=False).sum() == 1
    assert (titles.str.len() >= 4_000).sum() == 1


def test_the_shops_own_code_is_an_option(world: World, tmp_path: Path) -> None:
    write_day(world, DAY, tmp_path / "day", EventOptions(events=1_000, rt_cd=415))
    events = read(tmp_path / "day")
    assert (events["rt_cd"] == 415).mean() > 0.9
    assert events[events["rt_cd"] == 415]["product_id"].isin(world.products["product_id"]).all()


@pytest.mark.parametrize(
    "wrong",
    [
        {"events": -1},
        {"other_share": 1.5},
        {"null_title_share": -0.1},
        {"null_title_share": 0.6, "null_codes_share": 0.6},
    ],
)
def test_options_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(CoupangAssetsError):
        EventOptions(**wrong)  # type: ignore[arg-type]


def test_a_day_that_cannot_be_written_leaves_nothing(world: World, tmp_path: Path) -> None:
    path = tmp_path / "day"
    path.mkdir()
    with pytest.raises(OSError):
        write_day(world, DAY, path, EventOptions(events=10))
    assert [entry.name for entry in tmp_path.iterdir()] == ["day"]
