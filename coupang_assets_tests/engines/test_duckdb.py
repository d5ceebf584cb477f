"""The DuckDB engine: what it leaves on the disk, and how it says what it cannot do."""

import gc
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import ibis
import pyarrow as pa
import pytest

from coupang_assets.engines.duckdb import DuckDBEngine
from coupang_assets.errors import CoupangAssetsError
from coupang_assets.settings import EngineSettings

OPENED_AND_KILLED = """
import os, signal, sys
from pathlib import Path
from coupang_assets.engines.duckdb import DuckDBEngine
from coupang_assets.settings import EngineSettings
engine = DuckDBEngine(EngineSettings(), Path(sys.argv[1]))
engine.backend
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def make_engine(tmp_path: Path) -> Callable[..., DuckDBEngine]:
    return lambda **settings: DuckDBEngine(EngineSettings(**settings), tmp_path / "spill")


def spills(tmp_path: Path) -> int:
    return len(list((tmp_path / "spill").glob("duckdb-*")))


def test_making_one_touches_nothing(tmp_path: Path, make_engine: Callable[..., DuckDBEngine]) -> None:
    make_engine().close()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("closed", [True, False])
def test_its_spill_folder_goes_with_it(tmp_path: Path, make_engine: Callable[..., DuckDBEngine], closed: bool) -> None:
    engine = make_engine()
    assert engine.backend.execute(ibis.literal(1)) == 1
    assert spills(tmp_path) == 1
    if closed:
        engine.close()
    del engine
    gc.collect()
    assert spills(tmp_path) == 0


def test_what_a_killed_process_spilled_is_removed_by_the_next(
    tmp_path: Path, make_engine: Callable[..., DuckDBEngine]
) -> None:
    killed = subprocess.run([sys.executable, "-c", OPENED_AND_KILLED, str(tmp_path / "spill")], check=False)
    assert killed.returncode < 0
    assert spills(tmp_path) == 1
    first, second = make_engine(), make_engine()
    assert first.backend.execute(ibis.literal(1)) == second.backend.execute(ibis.literal(1))
    assert spills(tmp_path) == 2, "that of the killed one is gone, those in use stay"
    first.close()
    assert second.backend.execute(ibis.literal(2)) == 2
    second.close()
    assert spills(tmp_path) == 0


def test_a_closed_engine_opens_again(make_engine: Callable[..., DuckDBEngine]) -> None:
    engine = make_engine()
    for _ in range(2):
        assert engine.backend.execute(ibis.literal(1)) == 1
        engine.close()


def test_memory_that_does_not_suffice_says_which_setting_to_raise(
    tmp_path: Path, make_engine: Callable[..., DuckDBEngine]
) -> None:
    engine = make_engine(memory_limit="20MB", threads=1)
    engine.backend.raw_sql("SET max_temp_directory_size = '1MB'")
    numbers = ibis.range(5_000_000).unnest().name("n").as_table()
    table = numbers.mutate(text=numbers.n.cast("string").hexdigest("sha256")).order_by("text")
    with pytest.raises(CoupangAssetsError, match="ran out of memory or spill space") as caught:
        engine.write_csv(table, tmp_path / "out.csv")
    assert "COUPANG_ENGINE__MEMORY_LIMIT" in caught.value.remedy
    engine.close()


def test_what_cannot_be_read_is_told_by_its_name(make_engine: Callable[..., DuckDBEngine]) -> None:
    with (
        pytest.raises(CoupangAssetsError, match="day 20240401 cannot be read: torn") as caught,
        make_engine().reading("day 20240401", "load it again"),
    ):
        raise duckdb.InvalidInputException("torn")
    assert caught.value.remedy == "load it again"


def test_the_engine_fetches_nothing_from_the_network(make_engine: Callable[..., DuckDBEngine]) -> None:
    engine = make_engine()
    setting = engine.backend.con.execute("SELECT current_setting('autoinstall_known_extensions')").fetchone()
    assert setting == (False,)
    engine.close()


def test_files_larger_than_its_memory_are_read_within_it(
    tmp_path: Path, make_engine: Callable[..., DuckDBEngine]
) -> None:
    engine = make_engine(memory_limit="180MB", threads=2)
    block = "".join(f"{number % 7},{'제목 ' * 6}{number}\n" for number in range(100_000)) * 50
    paths = [tmp_path / f"{day}.csv" for day in range(2)]
    for path in paths:
        path.write_text("code,title\n" + block)
    assert paths[0].stat().st_size > 200_000_000
    table = engine.read_csv(paths, ["code", "title"])
    found = table.group_by("code").aggregate(rows=table.count()).order_by("code").execute()
    assert found["rows"].sum() == 2 * 50 * 100_000


def test_a_lookup_is_held_in_memory_and_the_events_are_not(
    tmp_path: Path, make_engine: Callable[..., DuckDBEngine]
) -> None:
    engine = make_engine()
    paths = [tmp_path / "1.csv", tmp_path / "2.csv"]
    for path in paths:
        path.write_text("code,title\n" + "1,가\n" * 50_000, encoding="utf-8")
    events = engine.read_csv(paths, ["code", "title"])
    events = events.filter(events.code.notnull(), events.title.strip().length() > 0)
    lookup = engine.keep(ibis.memtable({"code": [str(n) for n in range(3000)], "name": ["나"] * 3000}), "lookup")
    joined = events.inner_join(lookup, "code")
    ((_, plan),) = engine.backend.raw_sql(f"EXPLAIN (FORMAT json) {engine.backend.compile(joined)}").fetchall()

    def joins(node: dict) -> list[dict]:
        return [node] * (node["name"] == "HASH_JOIN") + [join for child in node["children"] for join in joins(child)]

    ((_, held),) = [join["children"] for join in joins(json.loads(plan)[0])]
    assert "READ_CSV" not in json.dumps(held), "the second is the one in memory"
    assert joined.count().execute() == 100_000


def test_what_it_keeps_is_computed_once_and_goes_with_the_last_who_uses_it(
    make_engine: Callable[..., DuckDBEngine],
) -> None:
    engine = make_engine()
    batch = pa.record_batch({"n": [3, 1, 2]})
    once = engine.read_stream(pa.RecordBatchReader.from_batches(batch.schema, [batch]))
    kept = engine.keep(once.filter(once.n > 1), "numbers")
    doubled = kept.mutate(twice=kept.n * 2)
    del kept
    for _ in range(2):
        assert doubled.order_by("n").execute()["twice"].tolist() == [4, 6]
    assert len(engine.backend.list_tables()) > 1
    del doubled
    gc.collect()
    assert len(engine.backend.list_tables()) == 1, "of the stream alone"


def test_what_cannot_be_kept_is_told(tmp_path: Path, make_engine: Callable[..., DuckDBEngine]) -> None:
    path = tmp_path / "torn.csv"
    path.write_text('n\n"1\n')
    engine = make_engine()
    with pytest.raises(CoupangAssetsError, match=r"(?s)rows for x: .*torn\.csv"):
        engine.keep(engine.read_csv([path], ["n"]), "rows for x")
