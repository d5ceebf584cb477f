"""What Hive itself, which is not Spark, says of its tables."""

from coupang_assets.warehouse.hive_tables import parse_description, parse_partition, partition_clause

# As Apache Hive 3.1 prints it.
HIVE_TABLE = [
    ("# col_name            ", "data_type           ", "comment             "),
    ("", None, None),
    ("product_id", "string", ""),
    ("location", "string", ""),
    ("", None, None),
    ("# Partition Information", None, None),
    ("# col_name            ", "data_type           ", "comment             "),
    ("", None, None),
    ("day", "string", ""),
    ("hour", "string", ""),
    ("", None, None),
    ("# Detailed Table Information", None, None),
    ("Database:           ", "default             ", None),
    ("Location:           ", "hdfs://ha-cluster/warehouse/events", None),
    ("Table Type:         ", "MANAGED_TABLE       ", None),
    ("Table Parameters:", None, None),
    ("", "transactional       ", "true                "),
    ("", None, None),
    ("# Storage Information", None, None),
    ("SerDe Library:      ", "org.apache.hadoop.hive.ql.io.orc.OrcSerde", None),
    ("InputFormat:        ", "org.apache.hadoop.hive.ql.io.orc.OrcInputFormat", None),
]


def test_description_by_hive() -> None:
    table = parse_description(HIVE_TABLE)
    assert table.columns == {"product_id": "string", "location": "string", "day": "string", "hour": "string"}
    assert table.partitioned_by == ("day", "hour")
    assert table.location == "hdfs://ha-cluster/warehouse/events"
    assert table.transactional and table.is_orc and not table.is_view


def test_view_by_hive() -> None:
    rows = [row if row[0].strip() != "Table Type:" else (row[0], "VIRTUAL_VIEW", None) for row in HIVE_TABLE]
    assert parse_description(rows).is_view


def test_partition_names_are_unescaped_and_bound() -> None:
    spec = parse_partition("day=20240401/hour=12%3A30")
    assert spec == (("day", "20240401"), ("hour", "12:30"))
    clause, parameters = partition_clause(spec)
    assert clause == "PARTITION (`day`=%(partition_0)s, `hour`=%(partition_1)s)"
    assert parameters == {"partition_0": "20240401", "partition_1": "12:30"}
