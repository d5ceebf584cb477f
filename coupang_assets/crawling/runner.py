"""Crawl category names from the shop in a process of its own, and tell what is known afterwards.

Belongs here: the life of the crawling process and the summary of a crawl. Does not: what happens inside that process
(`worker.py`), the form of job and journal. Source: specification step 3.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

import pandas as pd

from coupang_assets.crawling.candidates import candidates_by_category, open_tasks
from coupang_assets.crawling.job import write_job
from coupang_assets.crawling.journal import JournalWriter, iter_journal
from coupang_assets.crawling.options import CrawlOptions
from coupang_assets.crawling.outcomes import Outcome
from coupang_assets.crawling.summary import summarize
from coupang_assets.errors import CoupangAssetsError, TransientError

_LOG_TAIL_LINES: Final = 20
_PACKAGE_PARENT: Final = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class CrawlProgress:
    """How far a crawl is.

    Attributes:
        categories_total: categories of the candidates.
        categories_done: those agreed on or without a candidate left, by the journal or by now.
        requests: HTTP requests made by this crawl, robots.txt included.
        outcomes: attempts of this crawl by outcome.
        elapsed_s: seconds since its start.
    """

    categories_total: int
    categories_done: int
    requests: int = 0
    outcomes: Mapping[Outcome, int] = field(default_factory=dict)
    elapsed_s: float = 0.0

    @property
    def requests_per_s(self) -> float:
        return self.requests / self.elapsed_s if self.elapsed_s > 0 else 0.0


@dataclass(frozen=True, slots=True)
class CrawlSummary:
    """What is known when a crawl has ended.

    Attributes:
        table: one row for each category of the candidates, as `summary.summarize` gives it from the whole journal;
            outcome is `outcomes.NOT_ASKED` where a stopped crawl did not come to a category.
        progress: the last progress.
        stopped: "refused", "unreachable" or "crawl_delay" (robots.txt asks for longer pauses than a crawl can make)
            when the crawl stopped before its end; the next one goes on from there.
    """

    table: pd.DataFrame
    progress: CrawlProgress
    stopped: str | None = None


def crawl(
    candidates: pd.DataFrame,
    journal: Path,
    options: CrawlOptions,
    on_progress: Callable[[CrawlProgress], None] | None = None,
) -> CrawlSummary:
    """Ask the shop for the names of the candidates' categories and write each attempt to the journal.

    Candidates are tried in turn until `options.agreeing` of them give the category the same names. What the journal
    answers is not asked again. Blocks until the crawling process is gone, also when it raises.

    Args:
        candidates: one row a candidate; columns category1..category4 and product_id (strings), rank (whole number).
        journal: JSON lines file, made if absent; safe to stop and go on with at any moment.
        options: the shop and the manners.
        on_progress: called about once a second and at the end.

    Raises:
        CoupangAssetsError: candidates or journal are damaged, another crawl holds the journal, or the crawling
            process failed (with the end of its log).
        TransientError: not a single request was answered.
    """
    by_category = candidates_by_category(candidates)
    total = len(by_category)
    if not total:
        return CrawlSummary(summarize(iter_journal(journal), by_category), CrawlProgress(0, 0))
    started = time.monotonic()
    # A nameless file: nothing is left of it, even when this process is killed.
    with JournalWriter.open(journal) as writer, tempfile.TemporaryFile("w+", encoding="utf-8") as job:
        open_count = write_job(job, options, open_tasks(by_category, iter_journal(journal), options.agreeing))
        job.seek(0)
        progress = CrawlProgress(total, total - open_count)
        state: dict[str, Any] = {}
        if open_count:
            # Closed on leaving, however that happens, so the process is gone before the lock is.
            with closing(_crawling_process(job.fileno(), writer.fileno())) as states:
                for state in states:
                    progress = CrawlProgress(
                        categories_total=total,
                        categories_done=total - open_count + state["categories_done"],
                        requests=state["requests"],
                        outcomes={Outcome(name): count for name, count in sorted(state["outcomes"].items())},
                        elapsed_s=time.monotonic() - started,
                    )
                    if on_progress is not None:
                        on_progress(progress)
    stopped = state.get("stopped")
    if progress.requests and not state["responses"] and Outcome.FAILED in progress.outcomes:
        raise TransientError(
            f"the shop at {options.base_url} answered none of {progress.requests} requests",
            "check the address, the network and the shop; the next crawl tries these products again",
        )
    if stopped is None and progress.categories_done != total:
        raise CoupangAssetsError(
            f"the crawl ended with {total - progress.categories_done} of {total} categories unaccounted for",
            "run it again; what ended is not asked again",
        )
    return CrawlSummary(summarize(iter_journal(journal), by_category), progress, stopped)


def _crawling_process(job: int, journal: int) -> Generator[dict[str, Any], None, None]:
    """Run the process on two descriptors and yield its states, the last one marked final; raises when it fails."""
    state: dict[str, Any] = {}
    with tempfile.TemporaryFile() as log, _child(job, journal, log) as child:
        assert child.stdout is not None
        for line in child.stdout:
            state = json.loads(line)
            yield state
        status = child.wait()
        if status != 0 or not state.get("final"):
            raise CoupangAssetsError(
                f"the crawling process ended with status {status}; the end of its log:\n{_tail(log)}",
                "correct what the log says and run again; what ended is not asked again",
            )


@contextmanager
def _child(job: int, journal: int, log: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    paths = [str(_PACKAGE_PARENT), *filter(None, [os.environ.get("PYTHONPATH")])]
    child = subprocess.Popen(
        # -P: the current folder of whoever runs this must not stand in for installed modules.
        [sys.executable, "-P", "-m", __package__, str(job), str(journal)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        pass_fds=[job, journal],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        # Ctrl-C in a terminal goes to this process alone, which then ends the child.
        start_new_session=True,
    )
    try:
        yield child
    finally:
        # Killing is safe at any moment: the journal's next writer cuts off an unfinished line.
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                pipe.close()


def _tail(log: IO[bytes]) -> str:
    log.seek(max(0, log.seek(0, os.SEEK_END) - 64 * 1024))
    lines = log.read().decode("utf-8", "replace").splitlines()
    return "\n".join(lines[-_LOG_TAIL_LINES:]) or "(empty)"
