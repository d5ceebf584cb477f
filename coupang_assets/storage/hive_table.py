"""The IO manager of the dictionary's Hive table: one ``day`` partition a work month."""

import pandas as pd
from dagster import DataVersion, InitResourceContext, InputContext, IOManager, MetadataValue, OutputContext, io_manager

from coupang_assets.datasets import DATASETS
from coupang_assets.months import dictionary_day
from coupang_assets.storage.failures import as_dagster_failures
from coupang_assets.storage.hive_partition import write_partition
from coupang_assets.storage.layout import Layout
from coupang_assets.storage.made_from import Definition, InputVersions
from coupang_assets.storage.manifest import Manifest, frame_version, now
from coupang_assets.storage.metadata import table_metadata, table_schema
from coupang_assets.storage.origin_metadata import origin_metadata
from coupang_assets.warehouse import Warehouse


class HiveTableIOManager(IOManager):
    """Creates the table if need be, overwrites exactly its own partition, reads it back and compares (spec step 5)."""

    def __init__(self, layout: Layout, warehouse: Warehouse, input_versions: InputVersions) -> None:
        self._layout = layout
        self._settings = layout.settings
        self._warehouse = warehouse
        self._input_versions = input_versions

    def handle_output(self, context: OutputContext, obj: pd.DataFrame) -> None:
        """Load the partition.

        Raises:
            dagster.Failure: the warehouse refuses, or the partition is not what was written.
        """
        dataset = DATASETS[context.asset_key.path[-1]]
        month, table = context.asset_partition_key, self._settings.dictionary.table
        definition = Definition.of(context.asset_spec)
        manifest = Manifest(
            dataset=dataset.name,
            month=month,
            run_id=context.run_id,
            code_version=definition.code_version,
            data_version=frame_version(obj),
            files=[],
            inputs=self._input_versions.of(context.run_id, context.step_key),
            settings=definition.settings,
            libraries=definition.libraries,
            created=now(),
        )
        with as_dagster_failures(context.step_context.previous_attempt_count):
            manifest = write_partition(self._layout, self._warehouse, manifest, obj)
        where = manifest.location or ""
        context.add_output_metadata(
            {
                "dagster/row_count": len(obj),
                "dagster/uri": MetadataValue.text(where if "://" in where else f"file://{where}"),
                "dagster/column_schema": MetadataValue.table_schema(table_schema(dataset)),
                "dagster/table_name": table,
                "partition": f"day={dictionary_day(month)}",
                "content hash": manifest.data_version,
                "preview": table_metadata(obj.head(8)),
                **origin_metadata(self._layout, manifest),
            }
        )
        context.step_context.set_data_version(context.asset_key, DataVersion(manifest.data_version))

    def load_input(self, context: InputContext) -> pd.DataFrame:
        """The partition's rows, in no particular order."""
        month, step = context.asset_partition_key, context.step_context
        with as_dagster_failures(step.previous_attempt_count):
            rows = self._warehouse.read_partition(self._settings.dictionary.table, dictionary_day(month))
        name = context.asset_key.path[-1]
        self._input_versions.note(step.run_id, step.step.key, name, month, frame_version(rows))
        return rows


@io_manager(
    required_resource_keys={"layout", "warehouse", "input_versions", "run_lock"},
    description="The dictionary's Hive table.",
)
def hive_table_io_manager(context: InitResourceContext) -> HiveTableIOManager:
    """The IO manager from the graph's resources."""
    resources = context.resources
    return HiveTableIOManager(resources.layout, resources.warehouse, resources.input_versions)
