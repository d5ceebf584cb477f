"""The product table of PostgreSQL (spec 001): its export."""

import time

import dagster as dg
from pydantic import Field

from coupang_assets.assets.monthly import code_version
from coupang_assets.datasets import PRODUCTS_ALL, Step
from coupang_assets.products import changes, export, source_table, table_files
from coupang_assets.products.connection import ProductsSource
from coupang_assets.settings import Settings
from coupang_assets.storage.csv_tables import preview
from coupang_assets.storage.failures import as_dagster_failures
from coupang_assets.storage.latest_files import LatestFiles, StagedTable
from coupang_assets.storage.layout import Layout
from coupang_assets.storage.metadata import table_metadata

TABLE = dg.AssetKey("products_table")
IO_MANAGER = "latest_files"


class ExportConfig(dg.Config):
    """Launchpad of `products_all`."""

    whole: bool = Field(False, description="read the whole table, also where what has changed would do")


def assets(settings: Settings) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """The table and `products_all`."""
    products = settings.products
    table = dg.AssetSpec(
        TABLE,
        group_name=Step.PRODUCTS.value,
        owners=settings.owners,
        description=f"Table {products.schema_name}.{products.table} of PostgreSQL, database {products.database}"
        + (": embedded, with made-up products." if products.is_embedded else "."),
        kinds={"postgres"},
    )

    @dg.asset(
        name=PRODUCTS_ALL.name,
        description=PRODUCTS_ALL.description,
        group_name=PRODUCTS_ALL.step.value,
        kinds={"csv", "parquet", "postgres"},
        owners=settings.owners,
        code_version=code_version(changes, export, source_table, table_files),
        io_manager_key=IO_MANAGER,
        metadata={"specification": "001"},
        deps=[TABLE],
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
            context.add_output_metadata(
                _metadata(made, took) | {"preview": table_metadata(preview(staging / export.CSV_NAME))}
            )
            return StagedTable(staging, made.rows)

    return [table, products_all]


def _metadata(made: export.Export, took: float) -> dict[str, dg.MetadataValue | str | int | float]:
    schema = dg.TableSchema(
        columns=[
            dg.TableColumn(
                column.name, type=column.type, constraints=dg.TableColumnConstraints(nullable=not column.required)
            )
            for column in made.table.columns
        ]
    )
    metadata: dict[str, dg.MetadataValue | str | int | float] = {
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
