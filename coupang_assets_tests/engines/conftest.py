"""Spark on this machine, for the tests of this folder."""

import os
import shutil
from collections.abc import Iterator

import pytest

from coupang_assets.engines.spark import SparkEngine
from coupang_assets.settings import EngineSettings, SparkSettings

# More than one part a file, although the tables of the tests are small.
LOCAL = SparkSettings(
    master="local[2]",
    conf={"spark.sql.shuffle.partitions": "3", "spark.sql.adaptive.coalescePartitions.enabled": "false"},
)


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkEngine]:
    """An engine on this machine; for one module only, because a process has but one session of Spark."""
    pytest.importorskip("pyspark", reason="pip install coupang-assets[spark]")
    if "JAVA_HOME" not in os.environ and shutil.which("java") is None:
        pytest.skip("Spark runs on Java 17, which is not here")
    engine = SparkEngine(EngineSettings(kind="spark", spark=LOCAL), tmp_path_factory.mktemp("spill"))
    yield engine
    engine.close()
