"""Every setting of the project, typed and documented, read from the environment and a ``.env`` file.

Belongs here: what a user may set (``COUPANG_…``; nested groups with ``__``, as in ``COUPANG_SHOP__BASE_URL``).
Does not: anything derived from a setting, and any second place that reads the environment.
"""

import os
import re
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AnyHttpUrl,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from coupang_assets.errors import CoupangAssetsError

Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=128)]
# What Spark itself keeps out of its logs.
_SECRET = re.compile(r"secret|password|passwd|token|access[.-]?key|credential", re.IGNORECASE)
QualifiedIdentifier = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?$", max_length=256)
]

_PREFIX = "COUPANG_"
# What pydantic says of them is about Python.
_WRONG = {"extra_forbidden": "there is no such setting; `coupang-assets settings` lists all"}


class SettingsGroup(BaseModel):
    """Settings that belong together. A name that is none of them is a mistake, not to be passed over in silence."""

    model_config = ConfigDict(extra="forbid")


class SamplingSettings(SettingsGroup):
    """Which days of the data month are read (spec step 1: from day 1, every 4th day, about 8 days)."""

    first_day: int = Field(1, ge=1, le=28, description="first sampled day of the month")
    stride: int = Field(4, ge=1, le=27, description="days from one sampled day to the next")
    days: int = Field(8, ge=1, le=31, description="number of days; a short month gives as many as it has")
    allow_missing_days: bool = Field(False, description="go on with fewer days when Hive lacks some of them")


class EventsSettings(SettingsGroup):
    """The source table and what its columns are called there."""

    table: QualifiedIdentifier = Field("retargeting_event_storage_orc", description="Hive table of events")
    day_column: Identifier = Field("day", description="its partition column, values YYYYMMDD")
    rt_cd_column: Identifier = Field("rt_cd", description="column of the advertiser code")
    rt_cd: int = Field(300, description="advertiser code of Coupang")
    product_id: Identifier = "product_id"
    ep_title: Identifier = "ep_title"
    category1: Identifier = "category1"
    category2: Identifier = "category2"
    category3: Identifier = "category3"
    category4: Identifier = "category4"


class DictionaryTableSettings(SettingsGroup):
    """The Hive table of spec step 5."""

    table: QualifiedIdentifier = Field("rt_category_info_coupang", description="Hive table of the dictionary")
    location: str = Field(
        "",
        pattern=r"^$|^[A-Za-z][A-Za-z0-9+.-]*://[^\s'\";]+$|^/[^\s'\";]*$",
        description="LOCATION of the table; empty: the warehouse's own folder "
        "(production: hdfs://ha-cluster/rt_category_info_coupang/logs)",
    )


class WarehouseSettings(SettingsGroup):
    """Where Hive is, and how it is read."""

    kind: Literal["embedded", "hiveserver2"] = Field(
        "embedded", description="embedded: a folder of ORC and Parquet in Hive's layout; hiveserver2: a Hive server"
    )
    folder: Path | None = Field(None, description="folder of the embedded warehouse; default <root>/warehouse")
    host: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:-]+$", max_length=253)] | None = Field(
        None, description="host of HiveServer2"
    )
    port: int = Field(10_000, ge=1, le=65_535, description="its binary Thrift port")
    database: Identifier = Field("default", description="database of tables named without one")
    auth: Literal["NONE", "NOSASL", "LDAP", "KERBEROS"] = Field(
        "NONE", description="the server's hive.server2.authentication"
    )
    username: str | None = Field(None, min_length=1, description="default: the user of this process; LDAP needs one")
    password: SecretStr | None = Field(None, description="for LDAP, and for nothing else")
    kerberos_service_name: str = Field("hive", min_length=1, description="first part of the server's principal")
    session: dict[
        Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_.:-]*$")],
        Annotated[str, StringConstraints(pattern=r"^[^;'\"\r\n]*$")],
    ] = Field({}, description='Hive settings of our sessions, as JSON: {"tez.queue.name": "batch"}')
    connect_timeout_seconds: float = Field(30.0, gt=0, description="to reach the server and log in")
    silence_timeout_seconds: float = Field(120.0, gt=0, description="without a byte from a server that owes an answer")
    query_timeout_seconds: float = Field(3600.0, gt=0, description="for one statement to be done")
    read_events: Literal["auto", "orc", "wire", "cursor"] = Field(
        "auto",
        description="auto: the table's ORC files if they can be reached, else the wire; orc, wire, cursor: only that",
    )
    fetch_rows: int = Field(10_000, ge=100, le=1_000_000, description="rows asked for at once over the wire")
    storage_timeout_seconds: float = Field(20.0, gt=0, description="for the table's storage to answer")
    keep_loads_hours: float = Field(
        24.0, ge=0, description="what a load replaced stays this long for those who are reading it"
    )

    @model_validator(mode="after")
    def _server_and_login(self) -> "WarehouseSettings":
        if self.kind == "hiveserver2" and self.host is None:
            raise ValueError("kind hiveserver2 needs a host (COUPANG_WAREHOUSE__HOST)")
        if self.auth == "LDAP" and (self.username is None or self.password is None):
            raise ValueError("auth LDAP needs COUPANG_WAREHOUSE__USERNAME and COUPANG_WAREHOUSE__PASSWORD")
        if self.auth != "LDAP" and self.password is not None:
            raise ValueError(f"a password is for auth LDAP only, not {self.auth}")
        return self


class SparkSettings(SettingsGroup):
    """Where Spark runs, for ``COUPANG_ENGINE__KIND=spark``. It reads and writes below the root, which it must share."""

    master: str = Field(
        "local[*]",
        pattern=r"^(local(\[(\*|[1-9][0-9]*)(,[1-9][0-9]*)?\])?|spark://[A-Za-z0-9_.:,-]+|yarn|k8s://[A-Za-z0-9_.:/-]+)$",
        description="local[*]: this machine's cores; spark://host:7077, yarn, k8s://…: a cluster",
    )
    remote: str | None = Field(
        None,
        pattern=r"^sc://[A-Za-z0-9_.-]+(:[0-9]{1,5})?(/[^\s'\"]*)?$",
        description="a Spark Connect server instead of a master: sc://host:15002",
    )
    metastore: str | None = Field(
        None,
        pattern=r"^thrift://[A-Za-z0-9_.-]+:[0-9]{1,5}(,thrift://[A-Za-z0-9_.-]+:[0-9]{1,5})*$",
        description="Hive's metastore, so that Spark reads the table of events as Hive has it: thrift://host:9083; "
        "unset: Spark reads the ORC files where Hive says they are (a Connect server has a metastore of its own)",
    )
    conf: dict[
        Annotated[str, StringConstraints(pattern=r"^spark\.[A-Za-z0-9_.-]+$", max_length=256)],
        Annotated[str, StringConstraints(pattern=r"^[^\r\n\x00]*$", max_length=4096)],
    ] = Field(
        {},
        description='further settings of Spark, as JSON: {"spark.executor.memory": "8g"}; secrets belong into Spark\'s '
        "own files, not here",
    )

    @model_validator(mode="after")
    def _one_place(self) -> "SparkSettings":
        if self.remote is not None and {"master", "metastore"} & self.model_fields_set:
            raise ValueError("a Spark Connect server (remote) has its own master and metastore: set only one of them")
        if secret := sorted(name for name in self.conf if _SECRET.search(name)):
            raise ValueError(
                f"{', '.join(secret)} is a secret, which belongs into spark-defaults.conf or core-site.xml"
            )
        if self.remote is not None and "token=" in self.remote:
            raise ValueError("a token is a secret, which belongs into SPARK_CONNECT_AUTHENTICATE_TOKEN")
        return self


class EngineSettings(SettingsGroup):
    """The engine large tables flow through."""

    kind: Literal["duckdb", "spark"] = Field(
        "duckdb", description="duckdb: this machine alone; spark: for data that outgrow one machine"
    )
    threads: int | None = Field(None, ge=1, description="of DuckDB; default: the machine's cores")
    memory_limit: str = Field(
        "800MB",
        pattern=r"^\d+(\.\d+)?\s*([KMGT]i?B)$",
        description="beyond it DuckDB spills to disk; heap of a Spark that runs on this machine",
    )
    spark: SparkSettings = SparkSettings()


class ShopSettings(SettingsGroup):
    """The shop whose product pages name the categories (spec step 3), and how politely it is asked."""

    base_url: AnyHttpUrl | None = Field(None, description="unset: the sample's loopback shop")
    product_path: str = Field("/vp/products/{product_id}", description="page of a product")
    fragment_path: str = Field(
        "/vp/products/{product_id}/breadcrumb-gnbmenu", description="the older layout's separate breadcrumb"
    )
    user_agent: str = Field(
        "coupang-assets (+category dictionary)",
        min_length=1,
        description="says who asks; give an address where the shop can reach you",
    )
    delay_seconds: float = Field(1.0, ge=0, description="between requests to the real shop (none to the loopback shop)")
    concurrency: int = Field(2, ge=1, le=16, description="requests under way at a time; one that waits counts")
    timeout_seconds: float = Field(20.0, gt=0, description="after which a request without an answer has failed")
    retries: int = Field(3, ge=0, le=10, description="of one page, on refusals and server errors, with growing delay")
    candidates: int = Field(5, ge=1, le=50, description="products tried for a category, most frequent first")
    agreeing: int = Field(
        2,
        ge=1,
        le=50,
        description="products that must give a category the same names before no further one is asked; with 1 a "
        "product on the wrong shelf names its category and nobody sees it",
    )
    backoff_seconds: float = Field(5.0, ge=0, description="before a refused page is asked again; doubles each time")
    stop_after: int = Field(
        20, ge=1, description="products refused or unreachable in a row after which the crawl stops for this time"
    )
    maximum_page_bytes: int = Field(8 * 1024 * 1024, ge=1024, description="a larger page is dropped")
    offline: Path | None = Field(
        None,
        description="take names from here instead of asking the shop: a CSV of category4 and cate1_name…cate5_name (or "
        "code and level1…level6), a saved product page, or a folder of them",
    )
    minimum_named_share: float = Field(
        0.8, ge=0, le=1, description="of the new categories that have a name to find; below it the month stops"
    )
    maximum_special_share: float = Field(
        0.5,
        ge=0,
        le=1,
        description="of the new categories without any breadcrumb; above it the pages must have changed",
    )


class TrainingSettings(SettingsGroup):
    """Training set and model (spec step 6)."""

    cap: int = Field(3000, ge=1, description="rows a category at most; part of the file's name")
    valid_share: float = Field(0.1, gt=0, lt=0.5)
    test_share: float = Field(0.1, gt=0, lt=0.5)
    vocabulary: int = Field(8000, ge=1000, le=200_000, description="pieces of the BPE model")


class HistorySettings(SettingsGroup):
    """What is kept of the versions a dataset has had."""

    keep_large: int = Field(
        1,
        ge=1,
        description="versions of a month's large files (daily events, training set) that are kept; with 1 the current "
        "one alone, which costs no disk. Of small files every version is kept until `coupang-assets prune`",
    )


class ChampionSettings(SettingsGroup):
    """What a month's classifier must hold to become the champion, the one `predict` uses."""

    minimum_accuracy: float = Field(0.7, ge=0, le=1, description="of the held-out titles")
    minimum_category_accuracy: float = Field(0.4, ge=0, le=1, description="of each important category")
    important_categories: list[str] = Field(
        [], description="codes that are important however few their titles, as a JSON list"
    )
    important_share: float = Field(
        0.01, gt=0, le=1, description="a category with at least this share of the held-out titles is important"
    )
    important_titles: int = Field(30, ge=1, description="and at least so many of them: of fewer the accuracy is chance")
    minimum_titles_per_second: float = Field(200.0, ge=0, description="predicted, on the machine that runs the month")
    maximum_model_megabytes: float = Field(2048.0, gt=0, description="of the model's files, in MiB")
    maximum_training_seconds: float = Field(3600.0, gt=0, description="on the machine that runs the month")
    significance: float = Field(
        0.05,
        gt=0,
        lt=1,
        description="chance of a change though nothing is better that is put up with, all challengers together",
    )


class TaxonomySettings(SettingsGroup):
    """When a category is proposed to be merged or dropped; a person decides."""

    minimum_titles: int = Field(100, ge=1, description="training titles below which a category has little data")
    minimum_accuracy: float = Field(
        0.3, ge=0, le=1, description="a category that is surely below (95 % interval) cannot be told apart"
    )
    confused_share: float = Field(
        0.2, gt=0, le=1, description="of two categories' held-out titles taken for each other, from which they are one"
    )
    confused_titles: int = Field(5, ge=1, description="such titles at least: fewer are chance")
    name_overlap: float = Field(
        0.6, gt=0, le=1, description="of the letter pairs of two names under one top, from which they are one"
    )


class LabelErrorSettings(SettingsGroup):
    """The search for titles that look mislabelled."""

    titles: int = Field(50_000, ge=100, description="looked at, evenly by category; more take longer")
    folds: int = Field(3, ge=2, le=20, description="a title is judged by a model that has not learned from its fold")
    listed: int = Field(2000, ge=1, description="titles listed, worst first")


Month = Annotated[str, StringConstraints(pattern=r"^[0-9]{4}_(0[1-9]|1[0-2])$")]


class RefreshSettings(SettingsGroup):
    """What the sensor ``keep_fresh`` keeps fresh once it is turned on."""

    first: Month | None = Field(None, description="first work month that keep_fresh refreshes; unset: only the last")
    last: Month | None = Field(None, description="last one; unset: the latest month that was begun")
    look_every_minutes: float = Field(60.0, ge=0, description="before a month's source is looked at again")


PostgresName = Annotated[str, StringConstraints(pattern=r"^[^\x00]+$", max_length=63)]


class PredictionsSettings(SettingsGroup):
    """The table that predicted categories of products are written to."""

    schema_name: PostgresName | None = Field(None, description="its schema; default: that of the product table")
    table: PostgresName = Field("product_predictions", description="the table; made when it is not there")
    name_column: PostgresName = Field("name", description="column of the product table that is classified")
    top_k: int = Field(3, ge=1, le=50, description="categories kept a product")
    review_below: float = Field(0.5, ge=0, le=1, description="score below which a person is to look at a product")
    look_every_seconds: int = Field(300, ge=30, description="between looks of the sensor new_products")


class ProductsSettings(SettingsGroup):
    """The PostgreSQL table of products (spec 001). Host, port, user and password are libpq's variables (PGHOST, …)."""

    kind: Literal["auto", "embedded", "postgresql"] = Field(
        "auto",
        description="postgresql: the server that PGHOST or PGSERVICE names; embedded: one under the root with made-up "
        "products; auto: the named one if there is any",
    )
    database: PostgresName = Field("danawa_crawlingdb", description="database of the table")
    schema_name: PostgresName = Field("public1", description="its schema")
    table: PostgresName = Field("products", description="the table, or a view")
    key_column: PostgresName | None = Field(None, description="identifies a row; default: the primary key")
    modified_column: PostgresName = Field(
        "modified_at", description="time of a row's last change; with it only changed rows are read again"
    )
    text_columns: list[PostgresName] = Field([], description="columns kept as text in Parquet, whatever their type")
    whole_above_share: float = Field(
        0.3, ge=0, le=1, description="of rows that changed; above it the whole table is read again"
    )
    connect_timeout_seconds: float = Field(30.0, gt=0, description="to reach the server and log in")
    predictions: PredictionsSettings = PredictionsSettings()

    @property
    def is_embedded(self) -> bool:
        """Whether the embedded server is used."""
        named = any(os.environ.get(name) for name in ("PGHOST", "PGHOSTADDR", "PGSERVICE"))
        return self.kind == "embedded" or (self.kind == "auto" and not named)


class ServingSettings(SettingsGroup):
    """The prediction service, ``coupang-assets serve``."""

    host: str = Field("127.0.0.1", description="address to listen on; any but a loopback one needs api_key")
    port: int = Field(8000, ge=1, le=65_535)
    api_key: SecretStr | None = Field(None, description="wanted in the header X-API-Key")
    concurrent_requests: int = Field(128, ge=1, description="requests under way, beyond which 429 is answered")
    waiting_titles: int = Field(5000, ge=1, description="titles that may wait, beyond which 429 is answered")
    batch_titles: int = Field(512, ge=1, description="titles answered together")
    body_bytes: int = Field(1024 * 1024, ge=1024, description="of a request at most")
    timeout_seconds: float = Field(5.0, gt=0, description="for one request")
    reload_seconds: float = Field(5.0, gt=0, description="between looks for a newer model")
    keep_models: int = Field(2, ge=0, description="models beside the current one that stay loaded")


class E5Settings(SettingsGroup):
    """The fine-tuned e5 classifier (spec 001); needs the extra `e5`."""

    weights: str = Field(
        "intfloat/multilingual-e5-base",
        min_length=1,
        description="a name on the hub, a folder with such a model, or untrained: a small one that starts from nothing",
    )
    memory_gib: float = Field(8.0, gt=1, description="memory of the device; the planner stays below it")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto: the GPU if there is one")
    batch: int = Field(4, ge=1, le=1024, description="texts at a time")
    accumulation: int = Field(8, ge=1, le=1024, description="batches of one optimiser step")
    length: int = Field(128, ge=8, le=512, description="tokens of a text")
    epochs: int = Field(7, ge=1, le=100)
    patience: int = Field(2, ge=1, le=100, description="epochs without a better validation accuracy, then it stops")
    learning_rate: float | None = Field(
        None, gt=0, lt=1, description="at its highest; default 3e-5, or 1e-3 for untrained weights"
    )
    hierarchy: bool = Field(True, description="learn top category and leaf together")
    seed: int = Field(0, ge=0)
    checkpoint_steps: int = Field(500, ge=1, description="optimiser steps between checkpoints, beside one an epoch")
    products: Path | None = Field(
        None,
        description="what to train on: products_all (the export of PostgreSQL's table), or a CSV of labelled products; "
        "unset: the month's coupang_train",
    )
    name_column: str = "name"
    manufacturer_column: str = Field("manufacturer", description="empty: the products have none")
    category_column: str = Field("category", description="the label")
    top_column: str = Field("", description="column of the top category; empty: the products have none")
    specifications_column: str = Field("", description="read too, if set")


class SampleSettings(SettingsGroup):
    """The embedded default's made-up world, used while no real table and shop are set."""

    enabled: bool = Field(True, description="make missing days of the embedded warehouse")
    events_per_day: int = Field(20_000, ge=1)
    products: int = Field(11_356, ge=1, description="rows of the embedded PostgreSQL's product table when it is made")
    seed: int = 300


class Settings(BaseSettings):
    """All settings. ``Settings()`` reads the environment; tests pass values."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, env_nested_delimiter="__", env_file=".env", extra="ignore", frozen=True
    )

    root: Path = Field(
        Path("coupang_category"), description="everything is kept below it (production: /pkw/coupang_category)"
    )
    first_month: Month = Field("2024_01", description="first work month there is")
    owners: list[str] = Field(["team:ad-tech"], description="owners shown in the UI")
    schedule_day: int = Field(2, ge=1, le=28, description="day of the month the schedule starts the run, 06:00 Seoul")

    sampling: SamplingSettings = SamplingSettings()
    events: EventsSettings = EventsSettings()
    dictionary: DictionaryTableSettings = DictionaryTableSettings()
    warehouse: WarehouseSettings = WarehouseSettings()
    engine: EngineSettings = EngineSettings()
    shop: ShopSettings = ShopSettings()
    training: TrainingSettings = TrainingSettings()
    champion: ChampionSettings = ChampionSettings()
    taxonomy: TaxonomySettings = TaxonomySettings()
    label_errors: LabelErrorSettings = LabelErrorSettings()
    refresh: RefreshSettings = RefreshSettings()
    products: ProductsSettings = ProductsSettings()
    serving: ServingSettings = ServingSettings()
    e5: E5Settings = E5Settings()
    sample: SampleSettings = SampleSettings()
    history: HistorySettings = HistorySettings()

    @model_validator(mode="after")
    def _first_month_is_past(self) -> "Settings":
        if self.first_month > date.today().strftime("%Y_%m"):
            raise ValueError(f"first_month {self.first_month} is in the future")
        return self

    @property
    def warehouse_folder(self) -> Path:
        """Folder of the embedded warehouse."""
        return self.warehouse.folder or self.root / "warehouse"

    @property
    def sample_folder(self) -> Path:
        """Folder of the sample world."""
        return self.root / "sample"


def unknown_settings() -> list[str]:
    """Variables of the environment that are named like a setting and are none."""
    known = {f"{_PREFIX}{name}".upper() for name in Settings.model_fields}
    return sorted(
        name for name in os.environ if name.startswith(_PREFIX) and name.partition("__")[0].upper() not in known
    )


def load_settings() -> Settings:
    """The settings of this process.

    Raises:
        CoupangAssetsError: a setting that does not hold, by the name it is set by. Values are not repeated,
            because some settings are secrets.
    """
    try:
        settings = Settings()
    except ValidationError as error:
        wrong = "; ".join(
            f"COUPANG_{'__'.join(str(part) for part in e['loc']).upper()}: {_WRONG.get(e['type'], e['msg'])}"
            for e in error.errors(include_input=False, include_url=False)
        )
        raise CoupangAssetsError(f"settings do not hold: {wrong}", "correct them in the environment or .env") from None
    except SettingsError as error:
        raise CoupangAssetsError(f"settings do not hold: {error}", "give lists and groups as JSON") from None
    # Processes Dagster starts may have another current folder.
    offline = settings.shop.offline
    shop = settings.shop.model_copy(update={"offline": offline and offline.expanduser().absolute()})
    return settings.model_copy(update={"root": settings.root.expanduser().absolute(), "shop": shop})
