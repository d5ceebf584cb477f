"""The product table of PostgreSQL (spec 001): its export, and predicted categories written back."""

import time
from collections.abc import Sequence

import dagster as dg
from pydantic import Field

from coupang_assets.assets.code_version import code_version
from coupang_assets.assets.month_classifier import latest_month_with_classifier, load_month_classifier
from coupang_assets.datasets import BTM_PERCENT_DICT, PRODUCT_PREDICTIONS, PRODUCTS_ALL, Step
from coupang_assets.products import export, source_table
from coupang_assets.products.connection import ProductsSource
from coupang_assets.products.predictions import (
    CategoryPath,
    Classified,
    Predict,
    classify_products,
    ensure_predictions_table,
)
from coupang_assets.settings import Settings
from coupang_assets.storage.csv_tables import preview
from coupang_assets.storage.failures import as_dagster_failures
from coupang_assets.storage.latest_files import LatestFiles, StagedTable
from coupang_assets.storage.layout import Layout
from coupang_assets.storage.metadata import table_metadata

TABLE = dg.AssetKey("products_table")
IO_MANAGER = "latest_files"

Metadata = dict[str, dg.MetadataValue | str | int | float]


class ExportConfig(dg.Config):
    """Launchpad of `products_all`."""

    whole: bool = Field(False, description="read the whole table, also where what has changed would do")


class PredictConfig(dg.Config):
    """Launchpad of `product_predictions`."""

    month: str | None = Field(None, description="month whose classifier is used, YYYY_MM; empty: the latest with one")


def assets(settings: Settings) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """The table, `products_all` and `product_predictions`."""
    products = settings.products
    table = dg.AssetSpec(
        TABLE,
        group_name=Step.PRODUCTS.value,
        owners=settings.owners,
        description=f"Table {products.schema_name}.{products.table} of PostgreSQL, database {products.database}"
        + (": embedded, with made-up products." if products.is_embedded else "."),
        kinds={"postgres"},
    )

    def products_all(
        context: dg.AssetExecutionContext,
        config: ExportConfig,
        settings: dg.ResourceParam[Settings],
        layout: dg.ResourceParam[Layout],
        products_source: dg.ResourceParam[ProductsSource],
    ) -> StagedTable:
        with as_dagster_failures(context.retry_number):
            files = LatestFiles(layout, PRODUCTS_ALL)
            before = files.folder if not config.whole and files.find() else None
            staging = files.staging()
            started = time.monotonic()
            made = export.export_products(products_source, settings.products, staging, before)
            took = time.monotonic() - started
            shown = table_metadata(preview(staging / export.CSV_NAME))
            context.add_output_metadata(_export_metadata(made, took) | {"preview": shown})
            return StagedTable(staging, made.rows)

    def product_predictions(
        context: dg.AssetExecutionContext,
        config: PredictConfig,
        settings: dg.ResourceParam[Settings],
        layout: dg.ResourceParam[Layout],
        products_source: dg.ResourceParam[ProductsSource],
    ) -> dg.MaterializeResult:
        with as_dagster_failures(context.retry_number):
            classifier = load_month_classifier(layout, config.month or latest_month_with_classifier(layout))

            def predict(titles: Sequence[str | None]) -> list[list[CategoryPath]]:
                found = classifier.model.predict(titles, top_k=settings.products.predictions.top_k)
                return [
                    [CategoryPath(one.code, classifier.paths.get(one.code, ()), float(one.score)) for one in of_title]
                    for of_title in found
                ]

            written = _classify(context, products_source, settings, classifier.version, predict)
            return dg.MaterializeResult(metadata=_prediction_metadata(written, classifier.version, settings))

    made = [
        dg.asset(
            name=PRODUCTS_ALL.name,
            description=PRODUCTS_ALL.description,
            group_name=PRODUCTS_ALL.step.value,
            kinds={"csv", "parquet", "postgres"},
            owners=settings.owners,
            code_version=code_version(PRODUCTS_ALL, products_all),
            io_manager_key=IO_MANAGER,
            metadata={"specification": "001"},
            deps=[TABLE],
        )(products_all),
        dg.asset(
            name=PRODUCT_PREDICTIONS.name,
            description=PRODUCT_PREDICTIONS.description,
            group_name=PRODUCT_PREDICTIONS.step.value,
            kinds={"postgres"},
            # It writes nothing through it, but holds its lock.
            io_manager_key=IO_MANAGER,
            owners=settings.owners,
            code_version=code_version(PRODUCT_PREDICTIONS, product_predictions),
            metadata={"specification": "001"},
            deps=[TABLE, dg.AssetDep(BTM_PERCENT_DICT.name, partition_mapping=dg.LastPartitionMapping())],
        )(product_predictions),
    ]
    return [table, *made]


def new_products_sensor(settings: Settings, job_name: str) -> dg.SensorDefinition:
    """Starts `job_name` when rows of the product table were added or changed. Off until a person turns it on."""

    @dg.sensor(
        name="new_products",
        job_name=job_name,
        minimum_interval_seconds=settings.products.predictions.look_every_seconds,
        description="Classifies products that were added or changed since it looked last.",
    )
    def new_products(
        context: dg.SensorEvaluationContext, products_source: dg.ResourceParam[ProductsSource]
    ) -> dg.SensorResult | dg.SkipReason:
        with products_source.connect() as connection, source_table.snapshot(connection):
            table = source_table.describe_table(connection, settings.products)
            rows, cursor = source_table.news_since(connection, table, context.cursor)
        if not rows:
            return dg.SkipReason(f"no product was added or changed since {context.cursor}")
        context.log.info(f"{rows:,} products were added or changed since {context.cursor or 'ever'}")
        return dg.SensorResult(run_requests=[dg.RunRequest(run_key=cursor)], cursor=cursor)

    return new_products


def _classify(
    context: dg.AssetExecutionContext, source: ProductsSource, settings: Settings, version: str, predict: Predict
) -> Classified:
    written = Classified()
    with source.connect() as connection:
        table = source_table.describe_table(connection, settings.products)
        ensure_predictions_table(connection, table, settings.products)
        for written in classify_products(connection, table, settings.products, version, predict):
            context.log.info(f"{written.products:,} products classified, {written.to_review:,} to be looked at")
    return written


def _prediction_metadata(written: Classified, version: str, settings: Settings) -> Metadata:
    predictions = settings.products.predictions
    return {
        "table": f"{predictions.schema_name or settings.products.schema_name}.{predictions.table}",
        "model version": version,
        "products classified": written.products,
        f"to be looked at (score below {predictions.review_below})": written.to_review,
        "without a category": written.without_category,
    }


def _export_metadata(made: export.Export, took: float) -> Metadata:
    schema = dg.TableSchema(
        columns=[
            dg.TableColumn(
                column.name, type=column.type, constraints=dg.TableColumnConstraints(nullable=not column.required)
            )
            for column in made.table.columns
        ]
    )
    metadata: Metadata = {
        "table": f"{made.table.schema}.{made.table.name}",
        "as of": made.moment,
        "read": f"the whole table: {made.why_whole}" if made.why_whole else "what has changed",
        "seconds": round(took, 2),
        "dagster/column_schema": dg.MetadataValue.table_schema(schema),
    }
    if made.changes is not None:
        metadata |= {
            "rows added": made.changes.added,
            "rows changed": made.changes.changed,
            "rows removed": made.changes.removed,
        }
    return metadata
