"""Making one dataset of a month: a Dagster run of the real graph, checks included.

Belongs here: that run and how it ended, in words. Does not: which dataset is made when (``loop``).
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import dagster as dg

from coupang_assets.refresh.graph import Graph
from coupang_assets.refresh.loop import Made
from coupang_assets.storage.run_lock import RUN_TAG

QUIET: dict[str, Any] = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}

Watch = Callable[[str, str, str], AbstractContextManager[None]]


def _unwatched(month: str, name: str, run_id: str) -> AbstractContextManager[None]:
    return nullcontext()


@dataclass(frozen=True)
class DagsterMake:
    """Makes datasets by runs in this process; whoever calls it holds the month.

    Args:
        job: that can make every dataset of a month.
        watch: a block around each run, given month, dataset and run id.
        tags: of each run.
    """

    graph: Graph
    job: dg.JobDefinition
    instance: dg.DagsterInstance
    watch: Watch = _unwatched
    tags: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, month: str, name: str, base: str | None) -> Made:
        """Make one dataset.

        Raises:
            KeyboardInterrupt: it was stopped by hand.
        """
        run_id = str(uuid4())
        config = {**QUIET, "resources": {"base_month": {"config": {"month": base}}}} if base else QUIET
        with self.watch(month, name, run_id):
            result = self.job.execute_in_process(
                run_config=config,
                instance=self.instance,
                tags={**self.tags, RUN_TAG: month},
                partition_key=month,
                raise_on_error=False,
                asset_selection=[dg.AssetKey(name)],
                run_id=run_id,
            )
        if was_interrupted(result):
            raise KeyboardInterrupt
        blocking = self.graph.by_name[name].blocking
        failed = [
            check
            for check in result.get_asset_check_evaluations()
            if not check.passed and check.severity is dg.AssetCheckSeverity.ERROR
        ]
        told = [f"check {check.check_name} has failed: {check.description}" for check in failed]
        stops = [line for line, check in zip(told, failed, strict=True) if check.check_name in blocking]
        problem = next(iter([*failures(result), *stops]), None)
        return Made(run_id, problem, tuple(line for line in told if line not in stops))


def failures(result: dg.ExecuteInProcessResult) -> Iterator[str]:
    """Why a run has failed, for people."""
    told = False
    for event in result.all_events:
        if event.is_step_failure:
            told = True
            yield explanation(event)
    if not (told or result.success):
        yield "the run has failed; its page in the UI says why"


def explanation(event: dg.DagsterEvent) -> str:
    """Why a step failed, for people."""
    data = event.step_failure_data
    if data.user_failure_data is not None and data.user_failure_data.description:
        return data.user_failure_data.description
    error = data.error
    while error is not None and error.cause is not None:
        error = error.cause
    return error.message.strip() if error is not None else event.message or "no reason was given"


def was_interrupted(result: dg.ExecuteInProcessResult) -> bool:
    """Whether a person stopped the run."""
    return any(_is_interruption(event) for event in result.all_events if event.is_step_failure)


def _is_interruption(event: dg.DagsterEvent) -> bool:
    error = event.step_failure_data.error
    while error is not None and error.cls_name != dg.DagsterExecutionInterruptedError.__name__:
        error = error.cause
    return error is not None
