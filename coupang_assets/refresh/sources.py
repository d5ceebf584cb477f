"""The records of a root with its sources observed afresh.

Belongs here: which sources can be observed, and how. Does not: the plan.
"""

from collections.abc import Callable, Sequence

import dagster as dg

from coupang_assets.assets.sources import EVENTS, month_fingerprint
from coupang_assets.refresh.records import DiskRecords
from coupang_assets.storage.layout import Layout
from coupang_assets.warehouse import Warehouse


def observed_records(
    layout: Layout,
    warehouse: Warehouse,
    months: Sequence[str],
    instance: dg.DagsterInstance | None,
    on_look: Callable[[str], None] = lambda month: None,
) -> DiskRecords:
    """Records whose sources are looked at for these months when the plan asks for them.

    Args:
        instance: where the results of checks are; None: nothing has run yet.
        on_look: told of a month before its source is looked at, which may take a while.
    """

    def events_version(month: str) -> str:
        on_look(month)
        return month_fingerprint(warehouse, layout, month)

    return DiskRecords(layout, {EVENTS.to_user_string(): events_version}, months, instance)
