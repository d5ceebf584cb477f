"""Hive behind one small interface.

Belongs here: reading the source table's day partitions, and the dictionary table. Does not: what rows mean
(``pipeline``), when it is called (``assets``), or made-up data (``sample``).
"""

from dataclasses import dataclass
from typing import Protocol

import pandas as pd
import pyarrow.dataset as ds

from coupang_assets.engines import HivePartition


@dataclass(frozen=True)
class DayEvents:
    """A day partition of the source table, ready to be scanned.

    Attributes:
        dataset: at least the columns that are asked for, and at least the advertiser's rows; it can be scanned as
            often as needed while the warehouse lives.
        read_by: how it is read, for people: ``ORC files``, ``wire``, ``cursor``, and why where it was not chosen.
    """

    dataset: ds.Dataset
    read_by: str


class Warehouse(Protocol):
    """What the project asks of Hive. Days are ``YYYYMMDD``.

    Every method raises ``TransientError`` for what may pass by itself: a server away, a connection lost twice.
    """

    def event_days(self, days: list[str]) -> list[str]:
        """Those of ``days`` that the source table has a partition for."""
        ...

    def fingerprints(self, days: list[str]) -> dict[str, str]:
        """By day, a hash of its partition that changes when its data change and not otherwise.

        Raises:
            CoupangAssetsError: a day has no partition.
        """
        ...

    def events(self, day: str) -> DayEvents:
        """The events of a day partition of the source table.

        Raises:
            CoupangAssetsError: the partition or a column is not there, or a file is torn.
        """
        ...

    def partition(self, day: str) -> HivePartition:
        """A day partition of the source table for an engine that reads Hive itself.

        Raises:
            CoupangAssetsError: the partition or a column is not there.
        """
        ...

    def create_table(self, statement: str) -> None:
        """Run a ``CREATE TABLE IF NOT EXISTS`` of Hive's dialect.

        Raises:
            CoupangAssetsError: the table is there with other columns.
        """
        ...

    def overwrite_partition(self, table: str, partition: str, rows: pd.DataFrame) -> str:
        """Make ``rows`` the whole content of the partition ``day=partition`` and of no other; where it lies.

        Whoever reads meanwhile sees the old rows or the new. A load that fails leaves the old.
        """
        ...

    def read_partition(self, table: str, partition: str) -> pd.DataFrame:
        """The rows of a partition, without the partition column."""
        ...

    def describe(self) -> str:
        """What and where it is, for people.

        Raises:
            CoupangAssetsError: it cannot be used.
        """
        ...
