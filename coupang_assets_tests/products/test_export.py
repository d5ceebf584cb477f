"""The export against a real PostgreSQL: the same values in both files, incremental as whole, nothing torn."""

import datetime as dt
import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coupang_assets.errors import CoupangAssetsError, TransientError
from coupang_assets.products.connection import ServerSource
from coupang_assets.products.export import CSV_NAME, PARQUET_NAME, Export, export_products
from coupang_assets.products.source_table import snapshot
from coupang_assets_tests.products.conftest import Database

MakeFolder = Callable[[], Path]
AWKWARD = [
    "쉼표, 있음",
    '"따옴표" 있음',
    "줄\n바꿈",
    "복귀\r문자",
    "\\.",
    "#주석",
    "",
    " 앞뒤 공백 ",
    "NULL",
    "NaN",
    "0012",
    "\ufeff표식",
    "🔥",
    '"\n",\n"',
]


def exported(database: Database, folder: Path, before: Path | None = None, **changes: Any) -> Export:
    return export_products(database.source(**changes), database.settings(**changes), folder, before)


def files_of(folder: Path) -> tuple[bytes, bytes]:
    return (folder / CSV_NAME).read_bytes(), (folder / PARQUET_NAME).read_bytes()


def test_csv_is_what_pandas_reads_back_and_parquet_is_typed(products: Database, make_folder: MakeFolder) -> None:
    folder = make_folder()
    made = exported(products, folder)
    assert made.rows == 40
    assert (folder / CSV_NAME).read_bytes().startswith(b"\xef\xbb\xbfid,name,manufacturer,price,")
    frame = pd.read_csv(folder / CSV_NAME, encoding="utf-8-sig")
    assert frame["id"].tolist() == list(range(1, 41))
    assert frame["manufacturer"].isna().sum() == 13
    table = pq.read_table(folder / PARQUET_NAME)
    assert table.schema.field("rating").type == pa.decimal128(3, 2)
    first = table.to_pylist()[0]
    assert first == {
        "id": 1,
        "name": "상품 1",
        "manufacturer": "하기스",
        "price": 10,
        "rating": Decimal("1.25"),
        "on_sale": False,
        "modified_at": dt.datetime(2026, 1, 20, 3, 0, 1, tzinfo=dt.UTC),
    }


def test_every_text_survives(products: Database, make_folder: MakeFolder) -> None:
    for number, text in enumerate(AWKWARD, start=1):
        products.execute("UPDATE public1.products SET name = %s WHERE id = %s", [text, number])
    folder = make_folder()
    exported(products, folder)
    assert pq.read_table(folder / PARQUET_NAME)["name"].to_pylist()[: len(AWKWARD)] == AWKWARD
    frame = pd.read_csv(folder / CSV_NAME, encoding="utf-8-sig", keep_default_na=False, lineterminator="\n")
    assert frame["name"].tolist()[: len(AWKWARD)] == AWKWARD


def test_types_without_a_counterpart_stay_text(database: Database, make_folder: MakeFolder) -> None:
    database.execute("CREATE SCHEMA public1")
    database.execute(
        "CREATE TABLE public1.products (id uuid PRIMARY KEY, a numeric, b jsonb, c text[], d interval, e float8, "
        "f date, g timestamp(3), h varchar(10), i smallint)"
    )
    database.execute(
        "INSERT INTO public1.products VALUES ('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 1e40, '{\"k\": [1]}', "
        "'{x,y}', '1 day', 0.1, '2026-01-20', '2026-01-20 01:02:03.004', '값', -5)"
    )
    folder = make_folder()
    exported(database, folder)
    (row,) = pq.read_table(folder / PARQUET_NAME).to_pylist()
    assert row["a"] == "1" + "0" * 40
    assert row["b"] == '{"k": [1]}'
    assert row["c"] == "{x,y}"
    assert row["d"] == "1 day"
    assert (row["e"], row["f"], row["i"]) == (0.1, dt.date(2026, 1, 20), -5)
    assert row["g"] == dt.datetime(2026, 1, 20, 1, 2, 3, 4000)


def test_a_value_parquet_cannot_hold_is_told_with_the_way_out(products: Database, make_folder: MakeFolder) -> None:
    products.execute("UPDATE public1.products SET rating = 'NaN' WHERE id = 7")
    with pytest.raises(CoupangAssetsError, match="NaN") as caught:
        exported(products, make_folder())
    assert "COUPANG_PRODUCTS__TEXT_COLUMNS" in caught.value.remedy
    folder = make_folder()
    exported(products, folder, text_columns=["rating"])
    assert pq.read_table(folder / PARQUET_NAME)["rating"].to_pylist()[6] == "NaN"


def test_an_empty_table_gives_two_files_without_rows(products: Database, make_folder: MakeFolder) -> None:
    products.execute("TRUNCATE public1.products")
    folder = make_folder()
    assert exported(products, folder).rows == 0
    assert (folder / CSV_NAME).read_text("utf-8-sig").count("\n") == 1
    assert pq.read_table(folder / PARQUET_NAME).num_rows == 0
    products.execute("INSERT INTO public1.products VALUES (1, '새 상품', NULL, 1, 1, true, now())")
    assert exported(products, make_folder(), before=folder).rows == 1


@pytest.mark.parametrize("names", [('we"ird; DROP TABLE x', "pro'ducts --"), ("한글", "상품 표"), ("%s", "{table}")])
def test_names_are_quoted(database: Database, make_folder: MakeFolder, names: tuple[str, str]) -> None:
    schema, table = (name.replace('"', '""') for name in names)
    database.execute(f'CREATE SCHEMA "{schema}"')
    database.execute(
        f'CREATE TABLE "{schema}"."{table}" ("k""ey" int PRIMARY KEY, "a,b\n%s" text, modified_at timestamptz)'
    )
    database.execute(f'INSERT INTO "{schema}"."{table}" VALUES (1, \'x\', now())')
    changes = {"schema_name": names[0], "table": names[1]}
    folder, after = make_folder(), make_folder()
    exported(database, folder, **changes)
    assert list(pd.read_csv(folder / CSV_NAME, encoding="utf-8-sig")) == ['k"ey', "a,b\n%s", "modified_at"]
    database.execute(f'INSERT INTO "{schema}"."{table}" SELECT n, \'y\', now() FROM generate_series(2, 9) n')
    made = exported(database, after, before=folder, whole_above_share=1, **changes)
    assert (made.rows, made.why_whole) == (9, "")


CHANGES = {
    "nothing": [],
    "changed": ["UPDATE public1.products SET price = -1, modified_at = now() WHERE id IN (1, 17, 40)"],
    "added at both ends and between": [
        "DELETE FROM public1.products WHERE id = 20",
        "INSERT INTO public1.products VALUES (-5, '앞', NULL, 1, 1, true, now()), (99, '뒤', NULL, 1, 1, true, now())",
    ],
    "removed at both ends": ["DELETE FROM public1.products WHERE id IN (1, 2, 39, 40)"],
    "removed and added again": [
        "DELETE FROM public1.products WHERE id = 5",
        "INSERT INTO public1.products VALUES (5, '다시\n\"왔다\"', '', 1, 1, true, now())",
    ],
    "committed late, with a time before the last export": [
        "INSERT INTO public1.products VALUES (41, '늦은', NULL, 1, 1, true, '2020-01-01')"
    ],
    "all removed": ["DELETE FROM public1.products"],
}


@pytest.mark.parametrize("statements", CHANGES.values(), ids=CHANGES)
def test_an_incremental_export_is_byte_for_byte_a_whole_one(
    products: Database, make_folder: MakeFolder, statements: list[str]
) -> None:
    products.execute("UPDATE public1.products SET name = E'두\\n줄 \"이름\"' WHERE id % 4 = 0")
    before, after, whole = make_folder(), make_folder(), make_folder()
    exported(products, before)
    for statement in statements:
        products.execute(statement)
    made = exported(products, after, before=before, whole_above_share=1)
    assert made.why_whole == ""
    exported(products, whole)
    assert files_of(after) == files_of(whole)


def test_changes_are_counted(products: Database, make_folder: MakeFolder) -> None:
    before = make_folder()
    exported(products, before)
    products.execute("UPDATE public1.products SET modified_at = now() WHERE id <= 3")
    products.execute("DELETE FROM public1.products WHERE id IN (10, 11)")
    products.execute("INSERT INTO public1.products VALUES (77, '새', NULL, 1, 1, true, now())")
    made = exported(products, make_folder(), before=before)
    assert made.changes is not None
    counts = (made.changes.kept, made.changes.changed, made.changes.removed, made.changes.added)
    assert counts == (35, 3, 2, 1)


@pytest.mark.parametrize("key", ["text", "varchar(40)", "uuid"])
def test_keys_that_are_no_numbers_are_merged_too(database: Database, make_folder: MakeFolder, key: str) -> None:
    database.execute("CREATE SCHEMA public1")
    database.execute(f"CREATE TABLE public1.products (code {key} PRIMARY KEY, modified_at timestamp)")
    fill = "INSERT INTO public1.products SELECT {}, now() FROM generate_series(%s::int, %s) n"
    spelled = "md5(n::text)::uuid" if key == "uuid" else "(ARRAY['가','a','B','é','-','😀','￦'])[mod(n, 7) + 1] || n"
    database.execute(fill.format(spelled), [1, 60])
    before, after, whole = make_folder(), make_folder(), make_folder()
    exported(database, before)
    database.execute(fill.format(spelled), [61, 90])
    database.execute("UPDATE public1.products SET modified_at = '2001-01-01' WHERE code::text < '5'")
    made = exported(database, after, before=before, whole_above_share=1)
    assert made.why_whole == ""
    exported(database, whole)
    assert files_of(after) == files_of(whole)


WHOLE = {
    "no export before": ([], {}, "no export before"),
    "a new column": (["ALTER TABLE public1.products ADD extra text"], {}, "other columns"),
    "another type": (["ALTER TABLE public1.products ALTER price TYPE bigint"], {}, "other columns"),
    "no time of change": (["ALTER TABLE public1.products RENAME modified_at TO m"], {}, "no time of change"),
    "no key": (["ALTER TABLE public1.products DROP CONSTRAINT products_pkey"], {}, "KEY_COLUMN"),
    "too many changes": (["UPDATE public1.products SET modified_at = now() WHERE id < 30"], {}, "29 of 40 rows"),
}


@pytest.mark.parametrize(("statements", "changes", "why"), WHOLE.values(), ids=WHOLE)
def test_when_the_whole_table_is_read_it_says_why(
    products: Database, make_folder: MakeFolder, statements: list[str], changes: dict[str, Any], why: str
) -> None:
    before = None
    if statements:
        before = make_folder()
        exported(products, before)
        for statement in statements:
            products.execute(statement)
    folder = make_folder()
    made = exported(products, folder, before=before, **changes)
    assert why in made.why_whole
    assert made.rows == 40 == len(pd.read_csv(folder / CSV_NAME))


@pytest.mark.parametrize(("values", "said"), [(["'a'", "'a'"], "a is followed by a"), (["'a'", "NULL"], "is missing")])
def test_a_key_that_identifies_nothing_is_refused(
    database: Database, make_folder: MakeFolder, values: list[str], said: str
) -> None:
    database.execute("CREATE SCHEMA public1")
    database.execute("CREATE TABLE public1.products (code text, modified_at timestamptz DEFAULT now())")
    for value in values:
        database.execute(f"INSERT INTO public1.products VALUES ({value})")
    before = make_folder()
    exported(database, before, key_column="code")
    with pytest.raises(CoupangAssetsError, match=said) as caught:
        exported(database, make_folder(), before=before, key_column="code")
    assert "COUPANG_PRODUCTS__KEY_COLUMN" in caught.value.remedy


def test_rows_of_unknown_time_are_read_again(products: Database, make_folder: MakeFolder) -> None:
    products.execute("ALTER TABLE public1.products ALTER modified_at DROP NOT NULL")
    products.execute("UPDATE public1.products SET modified_at = NULL WHERE id = 9")
    before, after = make_folder(), make_folder()
    exported(products, before)
    products.execute("UPDATE public1.products SET price = 4321 WHERE id = 9")
    exported(products, after, before=before)
    assert pq.read_table(after / PARQUET_NAME)["price"].to_pylist()[8] == 4321


class Interfering:
    """A source that changes the table after the snapshot has been taken, from another connection."""

    def __init__(self, database: Database, statement: str) -> None:
        self._database = database
        self._statement = statement
        self.identity = ""

    @contextmanager
    def connect(self) -> Iterator[psycopg.Connection[Any]]:
        with self._database.source().connect() as connection:
            execute = connection.execute

            def interfere(query: Any, *arguments: Any, **options: Any) -> Any:
                cursor = execute(query, *arguments, **options)
                if "pg_class" in str(query):
                    self._database.execute(self._statement)
                return cursor

            connection.execute = interfere  # type: ignore[method-assign]
            yield connection


def test_the_export_is_of_one_moment(products: Database, make_folder: MakeFolder) -> None:
    before, after = make_folder(), make_folder()
    exported(products, before)
    source = Interfering(products, "DELETE FROM public1.products WHERE id > 10")
    made = export_products(source, products.settings(), after)
    assert products.execute("SELECT count(*) FROM public1.products") == [(10,)]
    assert made.rows == 40
    assert (after / CSV_NAME).read_bytes() == (before / CSV_NAME).read_bytes()


def test_nothing_can_be_written_through_it(products: Database) -> None:
    with (
        pytest.raises(CoupangAssetsError, match="read-only"),
        products.source().connect() as connection,
        snapshot(connection),
    ):
        connection.execute("DELETE FROM public1.products")
    assert products.execute("SELECT count(*) FROM public1.products") == [(40,)]


def test_a_connection_lost_on_the_way_may_pass(products: Database, make_folder: MakeFolder) -> None:
    products.execute(
        "CREATE VIEW public1.torn AS SELECT *, CASE WHEN id = 30 THEN pg_terminate_backend(pg_backend_pid()) END AS x "
        "FROM public1.products"
    )
    with pytest.raises(TransientError, match="terminating connection"):
        exported(products, make_folder(), table="torn")


@pytest.mark.parametrize("name", [CSV_NAME, PARQUET_NAME])
def test_a_full_disk_is_told_as_such(products: Database, make_folder: MakeFolder, name: str) -> None:
    products.execute(
        "INSERT INTO public1.products SELECT n, repeat(md5(n::text), 20), NULL, n, 1, true, now() "
        "FROM generate_series(100, 30000) n"
    )
    folder = make_folder()
    (folder / name).symlink_to("/dev/full")
    with pytest.raises(OSError) as caught:
        exported(products, folder)
    assert caught.value.errno == errno.ENOSPC


def test_rows_that_are_not_those_of_the_parquet_twin_are_refused(products: Database, make_folder: MakeFolder) -> None:
    before = make_folder()
    exported(products, before)
    lines = (before / CSV_NAME).read_bytes().splitlines(keepends=True)
    (before / CSV_NAME).write_bytes(b"".join(lines[:-5]))
    with pytest.raises(CoupangAssetsError, match="other rows"):
        exported(products, make_folder(), before=before)


def test_driver_and_source_fit(products: Database) -> None:
    source: ServerSource = products.source()
    with source.connect() as connection:
        assert isinstance(connection, psycopg.Connection)
        assert connection.info.dbname == products.name
