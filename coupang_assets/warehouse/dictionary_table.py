"""The dictionary table's statement, as the specification writes it (step 5)."""

from coupang_assets.settings import DictionaryTableSettings


def create_statement(settings: DictionaryTableSettings, location: str) -> str:
    """``CREATE TABLE`` of ``rt_category_info_coupang``; the table's name and location are settings."""
    location = location.replace("\\", "\\\\").replace("'", "\\'")
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
    LOCATION '{location}'
    """
