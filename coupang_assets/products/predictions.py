"""Predicted categories of products, in a table of their own beside the product table.

One row a product and model version. What a row was predicted from is kept in it, so which products are still to be
classified is a question to the database, with one answer however often and from where it is asked: a run that is
killed is finished by the next, and one with nothing to do does nothing. Belongs here: that table and its statements.
Does not: the classifier.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from coupang_assets.errors import CoupangAssetsError
from coupang_assets.products.source_table import SourceTable, require_columns
from coupang_assets.settings import ProductsSettings

if TYPE_CHECKING:
    from coupang_assets.products.connection import Connection

_AT_ONCE = 2_000
_COLUMNS = ("product_id", "model_version", "title", "category_code", "category_path", "score", "needs_review",
            "alternatives", "predicted_at")  # fmt: skip


@dataclass(frozen=True)
class CategoryPath:
    """One category proposed for a product: code, names from the top down, and the classifier's score, 0 to 1."""

    code: str
    path: tuple[str, ...]
    score: float


# Titles (None where there is none) to proposals, best first, none for a title that says nothing.
Predict = Callable[[Sequence[str | None]], list[list[CategoryPath]]]


@dataclass(frozen=True)
class Classified:
    """What a run wrote: products, those of them to be looked at, those nothing could be said of."""

    products: int = 0
    to_review: int = 0
    without_category: int = 0

    def __add__(self, other: "Classified") -> "Classified":
        return Classified(
            self.products + other.products,
            self.to_review + other.to_review,
            self.without_category + other.without_category,
        )


def ensure_predictions_table(connection: "Connection", table: SourceTable, settings: ProductsSettings) -> None:
    """Make the table of predictions unless it is there.

    Raises:
        CoupangAssetsError: the product table has no key or no names, or the table of predictions has other columns.
    """
    from psycopg import sql

    name = settings.predictions.name_column
    require_columns(table, {"COUPANG_PRODUCTS__PREDICTIONS__NAME_COLUMN": name})
    if table.key is None:
        raise CoupangAssetsError(
            f"{table.schema}.{table.name} has no key of one column to write predictions under",
            "name one with COUPANG_PRODUCTS__KEY_COLUMN",
        )
    where = _where(settings)
    connection.execute(
        sql.SQL(
            "CREATE TABLE IF NOT EXISTS {table} (product_id {key} NOT NULL, model_version text NOT NULL, title text, "
            "category_code text, category_path text, score double precision NOT NULL, needs_review boolean NOT NULL, "
            "alternatives jsonb NOT NULL, predicted_at timestamptz NOT NULL DEFAULT now(), "
            "PRIMARY KEY (product_id, model_version))"
        ).format(table=sql.Identifier(*where), key=sql.SQL(table.key.type))
    )
    found = {
        column
        for (column,) in connection.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = %s AND table_name = %s", where
        )
    }
    if missing := [column for column in _COLUMNS if column not in found]:
        raise CoupangAssetsError(
            f"{'.'.join(where)} is not a table of predictions: it has no column {', '.join(missing)}",
            "name another table with COUPANG_PRODUCTS__PREDICTIONS__TABLE",
        )


def classify_products(
    connection: "Connection", table: SourceTable, settings: ProductsSettings, model_version: str, predict: Predict
) -> Iterator[Classified]:
    """Predict what this model has not seen yet, in batches that are each written at once; gives the sum so far.

    A product whose name has changed since is predicted again. Nothing else is touched.
    """
    written = Classified()
    after: Any = None
    while batch := _waiting(connection, table, settings, model_version, after):
        proposals = predict([title for _, title in batch])
        rows = [
            _row(key, model_version, title, proposed, settings.predictions.review_below)
            for (key, title), proposed in zip(batch, proposals, strict=True)
        ]
        _upsert(connection, settings, rows)
        written += Classified(
            len(rows), sum(row["needs_review"] for row in rows), sum(row["category_code"] is None for row in rows)
        )
        after = batch[-1][0]
        yield written


def _waiting(
    connection: "Connection", table: SourceTable, settings: ProductsSettings, model_version: str, after: Any
) -> list[tuple[Any, str | None]]:
    """Key and name of the next products, by key, that have no prediction of this model from this name."""
    from psycopg import sql

    assert table.key is not None
    query = sql.SQL(
        "SELECT p.{key}, p.{name}::text FROM {products} p LEFT JOIN {predictions} q "
        "ON q.product_id = p.{key} AND q.model_version = %(version)s "
        "WHERE (q.product_id IS NULL OR q.title IS DISTINCT FROM p.{name}::text) AND {beyond} "
        "ORDER BY p.{key} LIMIT %(limit)s"
    ).format(
        key=sql.Identifier(table.key.name),
        name=sql.Identifier(settings.predictions.name_column),
        products=table.identifier(),
        predictions=sql.Identifier(*_where(settings)),
        beyond=sql.SQL("TRUE") if after is None else sql.SQL("p.{} > %(after)s").format(sql.Identifier(table.key.name)),
    )
    return connection.execute(query, {"version": model_version, "after": after, "limit": _AT_ONCE}).fetchall()


def _upsert(connection: "Connection", settings: ProductsSettings, rows: list[dict[str, Any]]) -> None:
    from psycopg import sql

    names = [column for column in _COLUMNS if column != "predicted_at"]
    query = sql.SQL(
        "INSERT INTO {} ({}, predicted_at) VALUES ({}, now()) ON CONFLICT (product_id, model_version) DO UPDATE SET {}"
    ).format(
        sql.Identifier(*_where(settings)),
        sql.SQL(", ").join(map(sql.Identifier, names)),
        sql.SQL(", ").join(map(sql.Placeholder, names)),
        sql.SQL(", ").join(sql.SQL("{0} = EXCLUDED.{0}").format(sql.Identifier(column)) for column in _COLUMNS[2:]),
    )
    with connection.transaction(), connection.cursor() as cursor:
        cursor.executemany(query, rows)


def _row(
    key: Any, model_version: str, title: str | None, proposals: list[CategoryPath], review_below: float
) -> dict[str, Any]:
    best = proposals[0] if proposals else None
    alternatives = [{"code": one.code, "path": list(one.path), "score": round(one.score, 6)} for one in proposals]
    return {
        "product_id": key,
        "model_version": model_version,
        "title": title,
        "category_code": best.code if best else None,
        "category_path": " > ".join(best.path) if best else None,
        "score": best.score if best else 0.0,
        "needs_review": best is None or best.score < review_below,
        "alternatives": json.dumps(alternatives, ensure_ascii=False),
    }


def _where(settings: ProductsSettings) -> tuple[str, str]:
    return settings.predictions.schema_name or settings.schema_name, settings.predictions.table
