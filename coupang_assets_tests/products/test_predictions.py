"""Predictions written back: once a product and model, again when its name changes, safe to stop and run again."""

from collections.abc import Iterator, Sequence

import pytest

from coupang_assets.errors import CoupangAssetsError
from coupang_assets.products import predictions
from coupang_assets.products.predictions import CategoryPath, Classified, classify_products, ensure_predictions_table
from coupang_assets.products.source_table import describe_table, news_since
from coupang_assets.settings import PredictionsSettings
from coupang_assets_tests.products.conftest import Database

SURE = [CategoryPath("0012", ("유아", "기저귀"), 0.9), CategoryPath("0013", ("유아", "물티슈"), 0.1)]
UNSURE = [CategoryPath("0099", ("완구",), 0.4)]
SELECT = (
    "SELECT product_id, category_code, category_path, score, needs_review FROM public1.product_predictions "
    "WHERE model_version = %s ORDER BY product_id"
)


class Model:
    """Sure of even products, unsure of odd ones, silent about those without a name; remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str | None] = []

    def predict(self, titles: Sequence[str | None]) -> list[list[CategoryPath]]:
        self.asked += titles
        return [[] if not title else SURE if int(title.split()[-1]) % 2 == 0 else UNSURE for title in titles]


def classify(database: Database, model: Model, version: str = "m1", **changes: object) -> Classified:
    settings = database.settings(predictions=PredictionsSettings(**changes))  # type: ignore[arg-type]
    with database.source().connect() as connection:
        table = describe_table(connection, settings)
        ensure_predictions_table(connection, table, settings)
        return [Classified(), *classify_products(connection, table, settings, version, model.predict)][-1]


def test_every_product_gets_a_category_and_the_doubtful_are_flagged(products: Database) -> None:
    products.execute("ALTER TABLE public1.products ALTER name DROP NOT NULL")
    products.execute("UPDATE public1.products SET name = NULL WHERE id = 40")
    assert classify(products, Model()) == Classified(products=40, to_review=21, without_category=1)
    rows = products.execute(SELECT, ["m1"])
    assert rows[0] == (1, "0099", "완구", 0.4, True)
    assert rows[1] == (2, "0012", "유아 > 기저귀", 0.9, False)
    assert rows[39] == (40, None, None, 0.0, True)
    (alternatives,) = products.execute("SELECT alternatives FROM public1.product_predictions WHERE product_id = 2")[0]
    assert alternatives == [
        {"code": "0012", "path": ["유아", "기저귀"], "score": 0.9},
        {"code": "0013", "path": ["유아", "물티슈"], "score": 0.1},
    ]


def test_what_is_done_is_not_done_again(products: Database) -> None:
    classify(products, Model())
    before = products.execute("SELECT * FROM public1.product_predictions ORDER BY product_id")
    again = Model()
    assert classify(products, again) == Classified()
    assert again.asked == []
    assert products.execute("SELECT * FROM public1.product_predictions ORDER BY product_id") == before


def test_new_and_renamed_products_are_classified_and_no_others(products: Database) -> None:
    classify(products, Model())
    products.execute("UPDATE public1.products SET price = 5, modified_at = now() WHERE id = 6")
    products.execute("UPDATE public1.products SET name = '다른 이름 8', modified_at = now() WHERE id = 7")
    products.execute("INSERT INTO public1.products VALUES (100, '새 상품 100', NULL, 1, 1, true, '2001-01-01')")
    model = Model()
    assert classify(products, model).products == 2
    assert sorted(map(str, model.asked)) == ["다른 이름 8", "새 상품 100"]
    assert dict((row[0], row[1]) for row in products.execute(SELECT, ["m1"]))[7] == "0012"


def test_another_model_writes_rows_of_its_own(products: Database) -> None:
    classify(products, Model(), "m1")
    assert classify(products, Model(), "m2").products == 40
    assert len(products.execute(SELECT, ["m1"])) == len(products.execute(SELECT, ["m2"])) == 40


def test_a_run_that_was_cut_off_is_finished_by_the_next(products: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictions, "_AT_ONCE", 15)

    class Dies(Model):
        def predict(self, titles: Sequence[str | None]) -> list[list[CategoryPath]]:
            if len(self.asked) >= 30:
                raise KeyboardInterrupt
            return super().predict(titles)

    with pytest.raises(KeyboardInterrupt):
        classify(products, Dies())
    assert len(products.execute(SELECT, ["m1"])) == 30
    assert classify(products, Model()).products == 10
    assert [row[0] for row in products.execute(SELECT, ["m1"])] == list(range(1, 41))


def test_schema_table_and_threshold_are_settings(products: Database) -> None:
    products.execute('CREATE SCHEMA "내 스키마"')
    written = classify(products, Model(), schema_name="내 스키마", table='예"측', review_below=0.95)
    assert written.to_review == 40
    assert products.execute('SELECT count(*) FROM "내 스키마"."예""측"') == [(40,)]


def test_a_table_that_is_something_else_is_left_alone(products: Database) -> None:
    products.execute("CREATE TABLE public1.product_predictions (product_id bigint, note text)")
    with pytest.raises(CoupangAssetsError, match="not a table of predictions") as caught:
        classify(products, Model())
    assert "COUPANG_PRODUCTS__PREDICTIONS__TABLE" in caught.value.remedy
    assert products.execute("SELECT count(*) FROM public1.product_predictions") == [(0,)]


def test_an_absent_name_column_is_told_with_those_that_are_there(products: Database) -> None:
    with pytest.raises(CoupangAssetsError, match="no column title; it has id, name,") as caught:
        classify(products, Model(), name_column="title")
    assert "COUPANG_PRODUCTS__PREDICTIONS__NAME_COLUMN" in caught.value.remedy


def test_a_table_without_a_key_is_told_so(products: Database) -> None:
    products.execute("ALTER TABLE public1.products DROP CONSTRAINT products_pkey")
    with pytest.raises(CoupangAssetsError, match="no key") as caught:
        classify(products, Model())
    assert "COUPANG_PRODUCTS__KEY_COLUMN" in caught.value.remedy


def news(database: Database) -> Iterator[int]:
    """What is new, each time it is asked for."""
    cursor = None
    while True:
        with database.source().connect() as connection:
            table = describe_table(connection, database.settings())
            rows, cursor = news_since(connection, table, cursor)
        yield rows


@pytest.mark.parametrize("type_of_time", ["timestamptz", "timestamp(3)"])
def test_news_are_rows_changed_or_added_since(products: Database, type_of_time: str) -> None:
    products.execute(f"ALTER TABLE public1.products ALTER modified_at TYPE {type_of_time}")
    new = news(products)
    assert next(new) == 40
    assert next(new) == 0
    products.execute("UPDATE public1.products SET modified_at = now() WHERE id < 4")
    products.execute("INSERT INTO public1.products VALUES (50, '새 50', NULL, 1, 1, true, now())")
    assert next(new) == 4
    assert next(new) == 0


def test_without_a_time_of_change_added_rows_are_news(products: Database) -> None:
    products.execute("ALTER TABLE public1.products DROP modified_at")
    new = news(products)
    assert next(new) == 40
    assert next(new) == 0
    products.execute("INSERT INTO public1.products VALUES (50, '새 50')")
    assert next(new) == 1


def test_a_cursor_of_another_form_begins_again(products: Database) -> None:
    def look(cursor: str | None) -> tuple[int, str | None]:
        with products.source().connect() as connection:
            return news_since(connection, describe_table(connection, products.settings()), cursor)

    _, moment = look(None)
    products.execute("ALTER TABLE public1.products DROP modified_at")
    rows, count = look(moment)
    assert (rows, count) == (40, "40")
    products.execute("ALTER TABLE public1.products ADD modified_at timestamptz DEFAULT now()")
    assert look(count)[0] == 40


def test_news_of_an_empty_table_are_none(products: Database) -> None:
    products.execute("TRUNCATE public1.products")
    new = news(products)
    assert next(new) == 0
    products.execute("INSERT INTO public1.products VALUES (1, '첫 1', NULL, 1, 1, true, now())")
    assert next(new) == 1
