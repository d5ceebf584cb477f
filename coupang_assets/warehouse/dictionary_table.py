"""The dictionary table's statement, as the specification writes it (step 5), and reading such a statement."""

from dataclasses import dataclass

import sqlglot
from sqlglot import exp

from coupang_assets.settings import DictionaryTableSettings


@dataclass(frozen=True)
class TableDefinition:
    """What a ``CREATE TABLE`` says. Types are Hive's, in lower case (``int``, ``string``)."""

    name: str
    columns: dict[str, str]
    partitioned_by: tuple[str, ...]
    location: str | None


def create_statement(settings: DictionaryTableSettings) -> str:
    """``CREATE TABLE`` of ``rt_category_info_coupang``; its name and location are settings.

    Without a location the table lies where the warehouse keeps its tables.
    """
    return f"""
    CREATE table IF NOT EXISTS {settings.table} (
    lv1_code int,
    lv2_code int,
    lv3_code int,
    lv4_code int,
    lv1_name string,
    lv2_name string,
    lv3_name string,
    lv4_name string
    )

    PARTITIONED BY (day string)
    STORED AS PARQUET
    """ + (f"LOCATION '{settings.location}'\n" if settings.location else "")


def parse_create(statement: str) -> TableDefinition:
    """Table, columns, partition columns and location of a ``CREATE TABLE``."""
    create = sqlglot.parse_one(statement, read="hive")
    table = create.find(exp.Table)
    assert isinstance(create, exp.Create) and isinstance(create.this, exp.Schema) and table is not None
    location = create.find(exp.LocationProperty)
    partition = create.find(exp.PartitionedByProperty)
    return TableDefinition(
        name=f"{table.db}.{table.name}" if table.db else table.name,
        columns={c.name: c.args["kind"].sql("hive").lower() for c in create.this.expressions},
        partitioned_by=tuple(c.name for c in partition.this.expressions) if partition else (),
        location=location.this.name if location else None,
    )
