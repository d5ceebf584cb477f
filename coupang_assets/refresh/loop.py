"""The refresh: what is stale is made again, one dataset at a time, and looked at again before what follows.

So a result that comes out unchanged ends the wave. Belongs here: the order, what is left out and why. Does not: how one
dataset is made (``execution``).
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from coupang_assets.refresh.graph import Graph, Node
from coupang_assets.refresh.plan import Records, State, Status, assess, plan, requested_base, upstream_keys
from coupang_assets.storage.manifest import input_key


class Outcome(StrEnum):
    """What became of a dataset of a month."""

    CHANGED = "made, changed"
    UNCHANGED = "made, as before"
    CUT_OFF = "not needed"
    FAILED = "failed"
    STOPPED = "stopped"
    LEFT_OUT = "not run"


@dataclass(frozen=True)
class Made:
    """How an attempt to make a dataset ended.

    Attributes:
        run_id: Dagster's.
        problem: why it cannot be built upon; None: it can.
        warnings: failed checks that stop nothing.
    """

    run_id: str
    problem: str | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Step:
    """What the refresh did about one dataset of a month, and why."""

    month: str
    name: str
    outcome: Outcome
    why: str
    made: Made | None = None
    rows: int | None = None

    @property
    def good(self) -> bool:
        """It is fresh now, and no check of it has failed."""
        return self.outcome in (Outcome.CHANGED, Outcome.UNCHANGED, Outcome.CUT_OFF) and not (
            self.made and self.made.warnings
        )


class RefreshRecords(Records, Protocol):
    """Records that are told what was made."""

    def forget(self) -> None:
        """Others may have been at work: what was read no longer holds."""
        ...

    def made(self, month: str, name: str) -> None:
        """A dataset was made: its record is another one."""
        ...


Make = Callable[[str, str, str | None], Made]
"""Makes a dataset of a month, from a base month if a person has named one."""

Hold = Callable[[str], AbstractContextManager[None]]
"""Holds a month while it is worked on."""


def months_to_refresh(records: Records, first: str, last: str) -> list[str]:
    """The two months and those between them that were begun; a month that was skipped stays so."""
    return sorted({first, last} | {month for month in records.months() if first <= month <= last})


def refresh(
    graph: Graph,
    records: RefreshRecords,
    months: Sequence[str],
    make: Make,
    hold: Hold,
    discard_edits: bool = False,
    on_step: Callable[[Step], None] = lambda step: None,
) -> list[Step]:
    """Make what is stale in these months, month by month, and nothing else.

    Args:
        discard_edits: what a person has corrected or restored is made again, too, if anything else is stale about it.
        on_step: told of each step as it ends.

    Returns:
        What was made, what turned out not to be needed, and what was left out because something before it failed.

    Raises:
        CoupangAssetsError: another run is at work on a month.
    """
    steps: list[Step] = []
    unsettled: dict[str, str] = {}
    expected = plan(graph, records, months)
    for month in sorted(months):
        with hold(month):
            records.forget()
            for node in graph.nodes:
                step = _settle(graph, records, node, month, make, discard_edits, unsettled)
                if step is None and (before := expected[input_key(node.name, month)]).waiting_for:
                    step = Step(month, node.name, Outcome.CUT_OFF, _cut_off(before))
                if step is not None:
                    steps.append(step)
                    on_step(step)
    return steps


def _settle(
    graph: Graph,
    records: RefreshRecords,
    node: Node,
    month: str,
    make: Make,
    discard_edits: bool,
    unsettled: dict[str, str],
) -> Step | None:
    """Make one dataset if it is stale by now; ``unsettled`` is what may not be built upon, with the reason."""
    status = assess(graph, records, node, month, {})
    needed = [*upstream_keys(graph, records, node, month), *(input_key(name, month) for name in node.after)]
    if (before := next((key for key in needed if key in unsettled), None)) is not None:
        unsettled[status.key] = unsettled[before]
        return Step(month, node.name, Outcome.LEFT_OUT, f"comes after {before}")
    discard = discard_edits and (status.edited or status.restored)
    if status.conflict and not discard:
        unsettled[status.key] = "edited by hand"
        return Step(month, node.name, Outcome.STOPPED, _conflict(status))
    if not (status.must_run or discard):
        return None
    made = make(month, node.name, requested_base(records, month))
    records.made(month, node.name)
    problem = made.problem or _still_stale(assess(graph, records, node, month, {}))
    if problem is not None:
        unsettled[status.key] = problem
        return Step(month, node.name, Outcome.FAILED, problem, made)
    manifest = records.manifest(month, node.name)
    before_it = status.manifest.data_version if status.manifest else None
    same = manifest is not None and manifest.data_version == before_it
    outcome = Outcome.UNCHANGED if same else Outcome.CHANGED
    return Step(month, node.name, outcome, status.text, made, manifest.rows if manifest else None)


def _cut_off(before: Status) -> str:
    return f"{before.waiting_for} came out as before"


def _conflict(status: Status) -> str:
    others = "; ".join(reason.text for reason in status.reasons if reason.state is not State.EDITED)
    return (
        f"it was edited by hand and would have to be made again ({others}); keep the edit somewhere, refresh with "
        "--discard-edits, and edit it again"
    )


def _still_stale(status: Status) -> str | None:
    return f"it is still stale after it was made: {status.text}" if status.must_run else None
