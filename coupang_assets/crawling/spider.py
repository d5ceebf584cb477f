"""The spider: one candidate after the other, until enough agree on a category's names or no candidate is left.

Belongs here: whom to ask next and how each request ended. Does not: reading pages (`parsers.py`), waiting and retrying
(`middlewares.py`), writing (`pipelines.py`). Source: specification step 3.

In memory are only the categories in flight and the answers about products that several categories share.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from scrapy import Request, Spider, signals
from scrapy.exceptions import (
    CannotResolveHostError,
    DownloadConnectionRefusedError,
    DownloadFailedError,
    DownloadTimeoutError,
    IgnoreRequest,
)
from scrapy.http import Response, TextResponse
from twisted.python.failure import Failure

from coupang_assets.crawling.agreement import Names
from coupang_assets.crawling.job import Candidate, CategoryTask
from coupang_assets.crawling.journal import Answer, Attempt, CategoryKey
from coupang_assets.crawling.middlewares import OtherHostError
from coupang_assets.crawling.options import CrawlOptions
from coupang_assets.crawling.outcomes import Outcome
from coupang_assets.crawling.parsers import PARSERS_VERSION, ParsedPage, parse_page
from coupang_assets.crawling.scrapy_settings import STOPPED_REFUSED

logger = logging.getLogger(__name__)

STOPPED_UNREACHABLE: Final = "unreachable"

_PRODUCT_ID: Final = re.compile(r"[0-9]{1,20}")
_UNREACHABLE: Final = (
    CannotResolveHostError, DownloadConnectionRefusedError, DownloadFailedError, DownloadTimeoutError,
)  # fmt: skip
_ERROR_MAX_LENGTH: Final = 300


@dataclass(slots=True)
class _Turn:
    """A category, the candidates not yet tried, and what the others said."""

    category: CategoryKey
    left: deque[Candidate]
    votes: Counter[Names]

    def count(self, answer: Answer, agreeing: int) -> None:
        """Take an answer into account; once enough products agree, no candidate is left."""
        if answer.outcome is Outcome.NAMED:
            self.votes[answer.names] += 1
            if self.votes[answer.names] >= agreeing:
                self.left.clear()


class CategoryNameSpider(Spider):
    """Scrapy spider over tasks (`job.py`), taken one at a time; yields `Attempt` items.

    Attributes:
        categories_done: categories on which enough products agree or that have no candidate left.
        outcomes: attempts by outcome.
        stopped: why no further product is asked, `STOPPED_…` or "journal"; None while all goes on.
    """

    name = "category_names"

    def __init__(self, options: CrawlOptions, tasks: Iterable[CategoryTask], **arguments: Any) -> None:
        super().__init__(**arguments)
        self._options = options
        self._tasks = tasks
        self._in_flight: dict[str, list[tuple[_Turn, Candidate]]] = {}
        self._shared_answers: dict[str, Answer] = {}
        self._in_a_row: Counter[str] = Counter()
        self.categories_done = 0
        self.outcomes: Counter[Outcome] = Counter()
        self.stopped: str | None = None

    def stop(self, why: str) -> None:
        """Ask no further product; what is in flight ends and is accounted for."""
        self.stopped = self.stopped or why

    async def start(self) -> AsyncIterator[Any]:
        engine = self.crawler.engine
        assert engine is not None
        for task in self._tasks:
            # Taking tasks only as they can be asked keeps memory independent of the job's size.
            if engine.needs_backout():
                await self.crawler.signals.wait_for(signals.scheduler_empty)
            if self.stopped:
                return
            for result in self._continue(_turn(task)):
                yield result

    def _continue(self, turn: _Turn) -> Iterator[Attempt | Request]:
        """Go on with a category until a product must be waited for, or the category is done."""
        while turn.left and not self.stopped:
            candidate = turn.left.popleft()
            answer = self._answer_without_request(candidate)
            if answer is not None:
                yield self._attempt(turn, candidate, answer)
                continue
            waiting = self._in_flight.setdefault(candidate.product_id, [])
            waiting.append((turn, candidate))
            if len(waiting) == 1:
                yield self._request(candidate, self._options.product_url(candidate.product_id), self._on_page, 0)
            return
        if not turn.left:
            self.categories_done += 1

    def _answer_without_request(self, candidate: Candidate) -> Answer | None:
        known = candidate.known or self._shared_answers.get(candidate.product_id)
        if known is not None:
            return replace(known, requests=0)
        if not _PRODUCT_ID.fullmatch(candidate.product_id):
            return Answer(outcome=Outcome.FAILED, error="product_id is not a number of up to 20 digits")
        return None

    def _request(self, candidate: Candidate, url: str, callback: Any, requests_before: int) -> Request:
        bound: dict[str, Any] = {"candidate": candidate, "requests_before": requests_before}
        # A category's next candidate goes before a new category, so few categories are under way at a time.
        return Request(url, partial(callback, **bound), errback=partial(self._on_error, **bound), priority=1)

    def _on_page(self, response: Response, candidate: Candidate, requests_before: int) -> Iterator[Attempt | Request]:
        page, answer = self._read(response, requests_before)
        if page.needs_fragment:
            url = self._options.fragment_url(candidate.product_id)
            yield self._request(candidate, url, self._on_fragment, answer.requests)
        else:
            yield from self._settle(candidate, answer)

    def _on_fragment(
        self, response: Response, candidate: Candidate, requests_before: int
    ) -> Iterator[Attempt | Request]:
        yield from self._settle(candidate, self._read(response, requests_before)[1])

    def _on_error(self, failure: Failure, candidate: Candidate, requests_before: int) -> Iterator[Attempt | Request]:
        error = failure.value
        request: Request = failure.request  # type: ignore[attr-defined]
        message = str(error) or type(error).__name__
        by_robots = isinstance(error, IgnoreRequest) and "robots.txt" in message
        not_sent = by_robots or isinstance(error, OtherHostError)
        reason = message if isinstance(error, IgnoreRequest) else f"{type(error).__name__}: {message}"
        answer = Answer(
            outcome=Outcome.REFUSED if by_robots else Outcome.FAILED,
            url=request.url,
            requests=requests_before + _requests(request) - int(not_sent),
            error=reason[:_ERROR_MAX_LENGTH],
        )
        yield from self._settle(candidate, answer, unreachable=isinstance(error, _UNREACHABLE), by_robots=by_robots)

    def _read(self, response: Response, requests_before: int) -> tuple[ParsedPage, Answer]:
        if isinstance(response, TextResponse) and (response.status != 200 or "<" in response.text):
            try:
                page = parse_page(response.text, response.status)
            except Exception as error:
                # One page nobody foresaw must not cost the others.
                logger.exception("parser failed on %s", response.url)
                page = ParsedPage(Outcome.FAILED, reason=f"parser raised {type(error).__name__}")
        else:
            # Were it taken for a product page without a breadcrumb, the product would never be asked again.
            kind = (response.headers.get("Content-Type") or b"unknown").decode("latin-1")
            what = f"HTTP {response.status}, {kind[:100]}, {len(response.body)} bytes"
            page = ParsedPage(Outcome.FAILED, reason=f"not a page: {what}")
        assert response.request is not None
        return page, Answer(
            outcome=page.outcome,
            url=response.url,
            status=response.status,
            parser=page.parser,
            parsers_version=PARSERS_VERSION,
            names=page.names,
            alternatives=page.alternatives,
            campaign=page.campaign,
            content_hash=hashlib.sha256(response.body).hexdigest(),
            requests=requests_before + _requests(response.request),
            error=page.reason,
        )

    def _settle(
        self, candidate: Candidate, answer: Answer, unreachable: bool = False, by_robots: bool = False
    ) -> Iterator[Attempt | Request]:
        """Give an answer to every category that waits for the product, and go on with those it does not name."""
        refused = answer.outcome is Outcome.REFUSED and not by_robots
        self._count_in_a_row(STOPPED_REFUSED, refused)
        self._count_in_a_row(STOPPED_UNREACHABLE, unreachable)
        if candidate.shared:
            self._shared_answers[candidate.product_id] = answer
        for place, (turn, own) in enumerate(self._in_flight.pop(candidate.product_id)):
            yield self._attempt(turn, own, answer if place == 0 else replace(answer, requests=0))
            yield from self._continue(turn)

    def _count_in_a_row(self, kind: str, happened: bool) -> None:
        self._in_a_row[kind] = self._in_a_row[kind] + 1 if happened else 0
        if self._in_a_row[kind] >= self._options.stop_after:
            logger.warning("%d products in a row %s: stopping", self._in_a_row[kind], kind)
            self.stop(kind)

    def _attempt(self, turn: _Turn, candidate: Candidate, answer: Answer) -> Attempt:
        self.outcomes[answer.outcome] += 1
        turn.count(answer, self._options.agreeing)
        return Attempt.of(turn.category, candidate.product_id, candidate.rank, answer)


def _turn(task: CategoryTask) -> _Turn:
    return _Turn(task.category, deque(task.candidates), Counter(dict(task.votes)))


def _requests(request: Request) -> int:
    return 1 + int(request.meta.get("retry_times", 0)) + int(request.meta.get("redirect_times", 0))
