"""CSV: everything hard comes back byte for byte, and what is wrong names file, line and column."""

from pathlib import Path

import ibis
import pandas as pd
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from coupang_assets.datasets import NEW_UNIQUE, RAW_DAILIES, UPDATED_UNIQUE, Dataset
from coupang_assets.engines.duckdb import DuckDBEngine
from coupang_assets.errors import CoupangAssetsError
from coupang_assets.storage.csv_tables import preview, read_frame, read_header, read_table, write_frame, write_table

HARD_TITLES = [
    "보통 제목", "a\nb", "a\r\nb", "a\rb", "\r", '"', '""', '쉼표, "따옴표"', "'", "NA", "null", "NULL", "nan", "None",
    "N/A", "0012", "1.0", "😀👩‍👩‍👧", "가" * 4000, " ", "  앞뒤  ", "#주석", "\\", "\\N", "\ufeff", "널\x00문자",
    "\t", "=1+1",
]  # fmt: skip
CODES = ["category1", "category2", "category3", "category4"]
HEADER = "product_id,category1,category2,category3,category4"
READERS = ["frame", "checked table", "trusted table"]


def titled(titles: list[str | None]) -> pd.DataFrame:
    numbers = range(1, len(titles) + 1)
    frame = pd.DataFrame({"product_id": [f"{n}" for n in numbers], "ep_title": pd.Series(titles, dtype=object)})
    return frame.assign(
        category1=[f"{n:04d}" for n in numbers], category2=None, category3="0000", category4="1234", count=1
    )


def read(dataset: Dataset, path: Path, how: str, engine: DuckDBEngine) -> pd.DataFrame:
    if how == "frame":
        return read_frame(dataset, path)
    found = engine.backend.execute(read_table(dataset, [path], engine, trusted=how == "trusted table"))
    return found.astype(object).where(found.notna(), None).sort_values("category1", ignore_index=True)


def write(dataset: Dataset, frame: pd.DataFrame, path: Path, how: str, engine: DuckDBEngine) -> int:
    if how == "frame":
        return write_frame(dataset, frame, path)
    types = {column.name: column.type for column in dataset.columns}
    return write_table(dataset, ibis.memtable(frame[list(types)], schema=types), path, engine)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("writer", ["frame", "table"])
def test_hard_titles_come_back_as_they_were(tmp_path: Path, engine: DuckDBEngine, writer: str, reader: str) -> None:
    path = tmp_path / "new_unique.csv"
    frame = titled([*HARD_TITLES, None])
    assert write(NEW_UNIQUE, frame, path, writer, engine) == len(frame)
    found = read(NEW_UNIQUE, path, reader, engine)
    assert found["ep_title"].tolist() == [*HARD_TITLES, None]
    assert found["category1"].tolist() == frame["category1"].tolist()
    assert found["category2"].tolist() == [None] * len(frame)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30), min_size=1, max_size=6))
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_titles_come_back_and_writing_again_gives_the_same_bytes(
    tmp_path: Path, engine: DuckDBEngine, titles: list[str]
) -> None:
    for writer in ("frame", "table"):
        first, second = tmp_path / "first.csv", tmp_path / "second.csv"
        write(NEW_UNIQUE, titled([*titles]), first, writer, engine)
        for reader in READERS:
            found = read(NEW_UNIQUE, first, reader, engine)
            assert found["ep_title"].tolist() == titles
        write(NEW_UNIQUE, found, second, writer, engine)
        assert second.read_bytes() == first.read_bytes()


def test_the_file_is_rfc_4180_without_an_index(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    write_frame(NEW_UNIQUE, titled(['그냥, "이것"\r', "보통"]), path)
    assert path.read_bytes().decode().split("\n") == [
        "product_id,ep_title,category1,category2,category3,category4,count",
        '1,"그냥, ""이것""\r",0001,,0000,1234,1',
        "2,보통,0002,,0000,1234,1",
        "",
    ]


@pytest.mark.parametrize("how", ["frame", "table"])
def test_the_file_has_one_order_whatever_the_order_of_the_rows(tmp_path: Path, engine: DuckDBEngine, how: str) -> None:
    frame = titled(["가", "나", "다"]).assign(category1=["0002", None, "0001"])
    for name, rows in (("a", frame), ("b", frame.iloc[::-1])):
        write(NEW_UNIQUE, rows, tmp_path / name, how, engine)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_engine_threads_do_not_change_the_bytes_of_a_large_file(tmp_path: Path, engine: DuckDBEngine) -> None:
    rows = ibis.range(300_000).unnest().name("n").as_table()
    numbers = rows.mutate(
        product_id=(rows.n % 7919).cast("string"), ep_title=ibis.literal("제목 ") + rows.n.cast("string")
    )
    table = numbers.mutate(**{name: ibis.literal("0012") for name in CODES}).drop("n")
    for name in ("a", "b"):
        assert write_table(RAW_DAILIES, table, tmp_path / name, engine) == 300_000
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("how", ["frame", "checked table"])
@pytest.mark.parametrize(
    "text",
    [
        f"{HEADER}\n7,12,12.0,0012, 12 \n",
        f"\ufeff{HEADER}\r\n7,12,12.0,0012,12\r\n",
        f",{HEADER}\n0,7,12,12.0,0012,12\n",
        f"Unnamed: 0,{HEADER}\n0,7,12,12.0,0012,12\n",
        "category4,category3,category2,category1,product_id\n0012,12,12,12.0,7\n",
        f'{HEADER}\n"7","12","12.0","0012","12"\n',
    ],
    ids=["plain", "BOM and CRLF", "index", "named index", "other order", "quoted"],
)
def test_what_pandas_and_people_wrote_is_read(tmp_path: Path, engine: DuckDBEngine, text: str, how: str) -> None:
    path = tmp_path / "updated_unique.csv"
    path.write_text(text, encoding="utf-8", newline="")
    (row,) = read(UPDATED_UNIQUE, path, how, engine).to_dict("records")
    assert row == {"product_id": "7"} | dict.fromkeys(CODES, "0012")


@pytest.mark.parametrize("how", ["frame", "checked table"])
def test_an_empty_code_is_a_missing_code(tmp_path: Path, engine: DuckDBEngine, how: str) -> None:
    path = tmp_path / "updated_unique.csv"
    path.write_text(f'{HEADER}\n7,12,"", ,\n')
    (row,) = read(UPDATED_UNIQUE, path, how, engine).to_dict("records")
    assert [row[name] for name in CODES] == ["0012", None, None, None]


def test_a_code_that_is_no_number_names_file_line_and_column(tmp_path: Path) -> None:
    path = tmp_path / "updated_unique.csv"
    path.write_text(f'{HEADER}\n"7\n8",1,2,3,4\n9,1,2,x12,4\n')
    with pytest.raises(CoupangAssetsError) as caught:
        read_frame(UPDATED_UNIQUE, path)
    assert caught.value.what == f"{path}, line 4, column category3: 'x12' is no category code"
    assert caught.value.remedy


def test_in_a_large_file_it_names_file_row_and_value(tmp_path: Path, engine: DuckDBEngine) -> None:
    path = tmp_path / "20240401.csv"
    path.write_text(
        "product_id,ep_title,category1,category2,category3,category4\n1,a,1,2,3,4\n2,b,1,2,3,x12\n3,c,y,2,3,4\n"
    )
    with pytest.raises(CoupangAssetsError, match=r"20240401\.csv, data row 2: .*'category4': 'x12'"):
        read_table(RAW_DAILIES, [path], engine, trusted=False)


@pytest.mark.parametrize("trusted", [True, False])
def test_days_are_read_together_whatever_the_order_of_their_columns(
    tmp_path: Path, engine: DuckDBEngine, trusted: bool
) -> None:
    columns = "product_id,ep_title,category1,category2,category3,category4"
    texts = [
        f"{columns}\n1,a,0001,0002,0003,0004\n",
        f",{columns}\n0,2,b,0001,0002,0003,0004\n",
        f"{columns}\n3,c,0001,0002,0003,0004\n",
    ]
    paths = [tmp_path / f"2024040{day}.csv" for day in (1, 5, 9)]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text)
    found = engine.backend.execute(read_table(RAW_DAILIES, paths, engine, trusted).order_by("product_id"))
    assert found["ep_title"].tolist() == ["a", "b", "c"]
    assert found["category4"].tolist() == ["0004"] * 3


def test_of_days_read_together_the_bad_one_is_named(tmp_path: Path, engine: DuckDBEngine) -> None:
    good, bad = tmp_path / "20240401.csv", tmp_path / "20240405.csv"
    for path, code in ((good, "4"), (bad, "x4")):
        path.write_text(f"product_id,ep_title,category1,category2,category3,category4\n1,a,1,2,3,{code}\n")
    with pytest.raises(CoupangAssetsError, match=r"20240405\.csv, data row 1"):
        read_table(RAW_DAILIES, [good, bad], engine, trusted=False)


@pytest.mark.parametrize(
    ("count", "said"),
    [("many", "'many' is no whole number"), ("1.5", "no whole number"), ("9" * 30, "too large"), ("", "count")],
)
def test_a_number_that_is_none_names_line_and_column(tmp_path: Path, count: str, said: str) -> None:
    path = tmp_path / "new_unique.csv"
    path.write_text(f"product_id,ep_title,category1,category2,category3,category4,count\n7,t,1,2,3,4,{count}\n")
    with pytest.raises(CoupangAssetsError, match=said) as caught:
        read_frame(NEW_UNIQUE, path)
    assert str(path) in caught.value.what


def test_counts_written_by_pandas_as_floats_are_whole_numbers(tmp_path: Path) -> None:
    path = tmp_path / "new_unique.csv"
    path.write_text("product_id,ep_title,category1,category2,category3,category4,count\n7,t,1,2,3,4,12.0\n")
    assert read_frame(NEW_UNIQUE, path)["count"].tolist() == [12]


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("product_id,category1,category2,category3", "missing columns: category4"),
        (f"{HEADER},brand", "unknown columns: brand"),
        (f"{HEADER},category4", "doubled columns: category4"),
        (f"{HEADER},", "unnamed beside the first columns: 6"),
        ("7,0001,0002,0003,0004", "missing columns: product_id, category1"),
    ],
)
@pytest.mark.parametrize("how", ["frame", "checked table", "trusted table"])
def test_other_columns_are_told_with_those_it_should_have(
    tmp_path: Path, engine: DuckDBEngine, header: str, said: str, how: str
) -> None:
    path = tmp_path / "updated_unique.csv"
    path.write_text(f"{header}\n")
    with pytest.raises(CoupangAssetsError) as caught:
        read(UPDATED_UNIQUE, path, how, engine)
    assert str(path) in caught.value.what
    assert said in caught.value.what
    assert caught.value.remedy == f"updated_unique has the columns {', '.join(UPDATED_UNIQUE.column_names)}"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"\n", "is empty"),
        (f"{HEADER}\n7,0001,0002,00".encode(), "ends in the middle of a row"),
        (f"{HEADER}\n7,0001,0002,0003,0004\n8,0001\n".encode(), ""),
        (f"{HEADER}\n7,0001,0002,0003,0004,0005\n".encode(), ""),
        (f'{HEADER}\n"7,0001,0002,0003,0004\n'.encode(), ""),
        (f'{HEADER}\n"7"x,0001,0002,0003,0004\n'.encode(), ""),
        (f"{HEADER}\n제목,0001,0002,0003,0004\n".encode("cp949"), ""),
        (HEADER.encode("utf-16"), ""),
        (b"\x00\x01\x02\x03" * 100, ""),
    ],
    ids=[
        "empty", "BOM alone", "empty line", "cut off", "short row", "long row", "open quote",
        "text after quote", "cp949", "utf-16", "binary",
    ],
)  # fmt: skip
@pytest.mark.parametrize("how", ["frame", "checked table"])
def test_a_torn_file_is_refused_by_its_name(
    tmp_path: Path, engine: DuckDBEngine, data: bytes, said: str, how: str
) -> None:
    path = tmp_path / "updated_unique.csv"
    path.write_bytes(data)
    with pytest.raises(CoupangAssetsError) as caught:
        read(UPDATED_UNIQUE, path, how, engine)
    assert str(path) in caught.value.what
    assert said in caught.value.what
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("8,0001", "line 3: 2 fields instead of 5"),
        ("", "line 3: 0 fields instead of 5"),
        ('"8"x,0001,0002,0003,0004', "after line 2"),
        ('"8,0001,0002,0003,0004', "after line 2"),
    ],
)
def test_a_broken_row_names_its_line(tmp_path: Path, row: str, said: str) -> None:
    path = tmp_path / "updated_unique.csv"
    path.write_text(f"{HEADER}\n7,0001,0002,0003,0004\n{row}\n")
    with pytest.raises(CoupangAssetsError, match=said):
        read_frame(UPDATED_UNIQUE, path)


def test_a_category_that_stands_twice_is_refused_also_with_missing_codes(tmp_path: Path) -> None:
    path = tmp_path / "updated_unique.csv"
    path.write_text(f"{HEADER}\n7,1,,,4\n8,0001,,,4.0\n")
    with pytest.raises(CoupangAssetsError, match="2 rows share category1, category2, category3, category4"):
        read_frame(UPDATED_UNIQUE, path)


@pytest.mark.parametrize(
    "wrong",
    [
        {"category1": "12"}, {"category1": 12}, {"category1": "x"}, {"category1": "00012"}, {"count": None},
    ],
    ids=str,
)  # fmt: skip
def test_a_bad_frame_is_not_written(tmp_path: Path, wrong: dict[str, object]) -> None:
    path = tmp_path / "f.csv"
    with pytest.raises(CoupangAssetsError, match="does not hold what new_unique promises"):
        write_frame(NEW_UNIQUE, titled(["가"]).assign(**wrong), path)
    assert not path.exists()


def test_other_columns_are_not_written(tmp_path: Path, engine: DuckDBEngine) -> None:
    with pytest.raises(CoupangAssetsError):
        write_frame(NEW_UNIQUE, titled(["가"]).assign(brand="x"), tmp_path / "f.csv")
    with pytest.raises(CoupangAssetsError, match="was given the columns a"):
        write_table(NEW_UNIQUE, ibis.memtable({"a": [1]}), tmp_path / "f.csv", engine)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("folder", ["가나다", "with space", "o'brien", "a[1]", "a*", "100%", "a;b"])
def test_any_folder_will_do(tmp_path: Path, engine: DuckDBEngine, folder: str) -> None:
    path = tmp_path / folder / "raw.csv"
    path.parent.mkdir()
    frame = titled(["가"]).drop(columns="count")
    types = {column.name: column.type for column in RAW_DAILIES.columns}
    assert write_table(RAW_DAILIES, ibis.memtable(frame[list(types)], schema=types), path, engine) == 1
    assert len(read(RAW_DAILIES, path, "trusted table", engine)) == 1


def test_the_preview_shows_codes_with_their_zeros(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    write_frame(NEW_UNIQUE, titled(["NA", *"나다라"]), path)
    shown = preview(path, 2)
    assert shown["category1"].tolist() == ["0001", "0002"]
    assert shown["ep_title"].tolist() == ["NA", "나"]


def test_the_header_is_read_without_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_bytes(f",{HEADER}\n".encode() + b"\xff")
    with pytest.raises(CoupangAssetsError):
        read_frame(UPDATED_UNIQUE, path)
    path.write_bytes(f",{HEADER}\n".encode())
    assert read_header(UPDATED_UNIQUE, path) == ["", *HEADER.split(",")]
