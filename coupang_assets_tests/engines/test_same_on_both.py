"""One set of transformations, two engines: the same rows, and the same text of them, whatever the strings hold."""

from pathlib import Path
from tempfile import TemporaryDirectory

import ibis
import ibis.expr.types as ir
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from coupang_assets.datasets import RAW_DAILIES
from coupang_assets.engines.duckdb import DuckDBEngine
from coupang_assets.engines.spark import SparkEngine
from coupang_assets.pipeline.categories import crawl_candidates, unique_categories
from coupang_assets.pipeline.events import clean_events, event_quality
from coupang_assets.pipeline.refinement import refine_events
from coupang_assets.pipeline.training_set import near_duplicate_key, training_set
from coupang_assets.storage.csv_tables import read_frame, read_table, write_table
from coupang_assets.storage.part_files import content_sha256, content_size, part_files

EVENT = list(RAW_DAILIES.column_names)
HARD = [
    *(
        None,
        "",
        " ",
        "0012",
        "12",
        "12.0",
        "012.",
        "1e3",
        "-1",
        "１２",
        "12\n",
        "12\u2028",
        "\t12 ",
        "123456789012",
        "7.0",
    ),
    *("a,b", 'say "hi"', '"', '""', "two\nlines", "a\r\nb", "a\rb", "\\", "a\\", '\\"', "#1", "no#1", "'", "`", "${x}"),
    *(
        "nu\x00l",
        "\x00",
        "\ufeffBOM",
        "\x85",
        "\u00a0",
        "\u3000",
        "NULL",
        "null",
        "\\N",
        "NA",
        "nan",
        "😀",
        "👨‍👩‍👧",
        "가나다",
    ),
    *(
        "STRASSE",
        "straße",
        "İstanbul",
        "ΟΔΟΣ",
        "ﬁn",
        "é",
        "e\u0301",
        "\ud7ff",
        "\ue000",
        "\uffff",
        "𝐀",
        "ǅ",
        "Ⅷ",
        "ⓐ",
        "𐐀",
    ),
]
TEXT = st.sampled_from(HARD) | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
CODE = st.sampled_from([None, "0001", "0002", "0010", "12345"])
MESSY_ROWS = st.lists(st.tuples(*(TEXT for _ in EVENT)), min_size=1, max_size=40)
CLEAN_TEXT = TEXT.map(lambda text: (text or "").replace("\x00", "") or None)
CLEAN_ROWS = st.lists(st.tuples(CLEAN_TEXT, CLEAN_TEXT, CODE, CODE, CODE, CODE), min_size=1, max_size=40)
ALL_HARD = [tuple([text, text, text, None, text, text]) for text in HARD]
FEW = settings(max_examples=4)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def engines(engine: DuckDBEngine, spark: SparkEngine) -> tuple[DuckDBEngine, SparkEngine]:
    return engine, spark


def table(rows: list[tuple[str | None, ...]]) -> ir.Table:
    return ibis.memtable(pd.DataFrame(rows, columns=EVENT, dtype=object), schema=dict.fromkeys(EVENT, "string"))


def result(engine: DuckDBEngine | SparkEngine, expression: ir.Table) -> list[tuple]:
    frame = engine.backend.execute(expression).astype(object)
    return sorted(map(tuple, frame.where(frame.notna(), None).to_numpy().tolist()), key=repr)


def same(engines: tuple[DuckDBEngine, SparkEngine], expression: ir.Table) -> list[tuple]:
    duckdb, spark = (result(engine, expression) for engine in engines)
    assert spark == duckdb
    return duckdb


@FEW
@given(MESSY_ROWS)
@example(ALL_HARD)
def test_events_are_cleaned_alike(engines: tuple[DuckDBEngine, SparkEngine], rows: list) -> None:
    assert len(same(engines, clean_events(table(rows)))) == len(rows)


def test_what_was_mended_is_counted_alike(engines: tuple[DuckDBEngine, SparkEngine], tmp_path: Path) -> None:
    counts = []
    for engine in engines:
        registered = _registered(engine, table(ALL_HARD))
        counts.append(event_quality(registered))
    assert counts[0] == counts[1]
    assert counts[0].rows == len(HARD)
    assert counts[0].rows_with_code_that_is_no_number > 0


def _registered(engine: DuckDBEngine | SparkEngine, rows: ir.Table) -> ir.Table:
    """A table that knows its engine, as those of files do."""
    if isinstance(engine, DuckDBEngine):
        return engine.backend.create_table("hard", rows, overwrite=True)
    frame = engine.backend.execute(rows)
    engine.backend._session.createDataFrame(
        frame.where(frame.notna(), None), ", ".join(f"{name} string" for name in EVENT)
    ).createOrReplaceTempView("hard")
    return engine.backend.table("hard")


def test_codes_that_hive_keeps_as_doubles(engines: tuple[DuckDBEngine, SparkEngine]) -> None:
    kept = {12.0: "0012", 0.0: "0000", 1234567.0: "1234567", 12345678.0: "12345678", 123456789.0: "123456789"}
    doubles = [*kept, 12.5, 1e-7, 1e22, float("inf"), None]
    frame = pd.DataFrame({name: doubles for name in EVENT}, dtype="Float64")
    cleaned = clean_events(ibis.memtable(frame, schema=dict.fromkeys(EVENT, "float64")))
    rows = same(engines, cleaned)
    codes = sorted((row[-1] for row in rows), key=repr)
    assert codes == sorted([*kept.values(), *([None] * 5)], key=repr)
    assert {row[0] for row in rows} == {str(int(number)) for number in kept} | {None}


@FEW
@given(CLEAN_ROWS)
def test_categories_and_candidates_are_chosen_alike(engines: tuple[DuckDBEngine, SparkEngine], rows: list) -> None:
    same(engines, unique_categories(table([*rows, *rows[::2]])))
    same(engines, crawl_candidates(table([*rows, *rows[::2]]), 2))


@FEW
@given(CLEAN_ROWS)
def test_days_are_refined_alike(engines: tuple[DuckDBEngine, SparkEngine], rows: list) -> None:
    merge = pd.DataFrame(
        [("0001", "0002", "same_name", 1), ("0002", "0002", "kept", 1), ("0010", None, "no_cate1_name", 1)],
        columns=["category4", "merged_category4", "reason", "count"],
    )
    codes = pd.DataFrame([("9001", None, "9003", "0002")], columns=[f"lv{n}_code" for n in range(1, 5)])
    assert len(same(engines, refine_events(table(rows), merge, codes))) == len(rows)


@FEW
@given(CLEAN_ROWS, st.integers(1, 5))
@example(
    [(f"{n}", title or None, None, None, None, "0001") for n, title in enumerate(HARD) if "\x00" not in (title or "")],
    99,
)
def test_the_training_set_is_chosen_and_split_alike(
    engines: tuple[DuckDBEngine, SparkEngine], rows: list, cap: int
) -> None:
    same(engines, training_set(table(rows), cap, 0.2, 0.2))


def test_titles_have_the_same_letters_on_both(engines: tuple[DuckDBEngine, SparkEngine]) -> None:
    """Every character of the Basic Multilingual Plane that text may hold, and some beyond."""
    characters = [
        chr(n) for n in [*range(1, 0xD800), *range(0xE000, 0x10000), *range(0x1F300, 0x1F700), *range(0x10400, 0x10450)]
    ]
    titles = pd.DataFrame({"title": ["가" + character + "B" for character in characters]}, dtype=object)
    known = ibis.memtable(titles, schema={"title": "string"})
    duckdb, spark = (
        dict(result(engine, known.select("title", key=near_duplicate_key(known.title)))) for engine in engines
    )
    assert {title: hex(ord(title[1])) for title in duckdb if duckdb[title] != spark[title]} == {}


@FEW
@given(CLEAN_ROWS)
@example([(*row[:2], "0001", None, "0002", "0010") for row in ALL_HARD if "\x00" not in (row[0] or "")])
def test_what_either_writes_is_one_text_and_either_reads_it(
    engines: tuple[DuckDBEngine, SparkEngine], rows: list
) -> None:
    expected = sorted([tuple(value or None for value in row) for row in rows], key=repr)
    with TemporaryDirectory(prefix="다른 {root}'s [x] ") as name:
        paths = []
        for engine in engines:
            paths.append(Path(name) / f"{type(engine).__name__}.csv")
            assert write_table(RAW_DAILIES, table(expected), paths[-1], engine) == len(rows)
        file, folder = paths
        assert file.is_file() and folder.is_dir()
        assert (content_size(folder), content_sha256(folder)) == (content_size(file), content_sha256(file))
        for engine in engines:
            for path in paths:
                assert result(engine, read_table(RAW_DAILIES, [path], engine, trusted=True)) == expected
        assert read_frame(RAW_DAILIES, folder).equals(read_frame(RAW_DAILIES, file))


def test_every_part_has_the_header_so_that_others_can_read_the_folder(
    engines: tuple[DuckDBEngine, SparkEngine], tmp_path: Path
) -> None:
    rows = [(f"{n:03d}", "제목", None, None, None, "0001") for n in range(100)]
    write_table(RAW_DAILIES, table(rows), tmp_path / "day.csv", engines[1])
    parts = part_files(tmp_path / "day.csv")
    assert len(parts) > 1
    assert all(part.name.startswith("part-") and part.suffix == ".csv" for part in parts)
    assert all(part.read_text().splitlines()[0] == ",".join(EVENT) for part in parts)
    in_order = pd.concat([pd.read_csv(part, dtype=str) for part in parts])
    assert in_order["product_id"].tolist() == [row[0] for row in rows]
    assert not [file for file in (tmp_path / "day.csv").iterdir() if file.suffix == ".crc"]


def test_no_row_is_a_header(engines: tuple[DuckDBEngine, SparkEngine], tmp_path: Path) -> None:
    for engine in engines:
        path = tmp_path / type(engine).__name__
        nothing = table([("1", None, None, None, None, None)]).filter(ibis.literal(False))
        assert write_table(RAW_DAILIES, nothing, path, engine) == 0
        assert result(engine, read_table(RAW_DAILIES, [path], engine, trusted=True)) == []
    assert len({content_sha256(path) for path in tmp_path.iterdir()}) == 1
