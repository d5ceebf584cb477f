"""Scrapy extension: says every second how far the crawl is.

Belongs here: the line of progress the parent process reads. Does not: showing it (`runner.py`).
"""

from __future__ import annotations

import json
import sys
from typing import Any, Final, Self

from scrapy import signals
from scrapy.crawler import Crawler
from twisted.internet.task import LoopingCall

from coupang_assets.crawling.spider import CategoryNameSpider

PROGRESS_EVERY_S: Final = 1.0


class ProgressReporter:
    """Writes a JSON object a second to standard output, and a last one with `"final": true`."""

    def __init__(self, crawler: Crawler) -> None:
        self._crawler = crawler
        self._call = LoopingCall(self._report)
        crawler.signals.connect(self._opened, signal=signals.spider_opened)
        crawler.signals.connect(self._closed, signal=signals.spider_closed)

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        return cls(crawler)

    def _opened(self) -> None:
        self._call.start(PROGRESS_EVERY_S, now=False)

    def _closed(self) -> None:
        if self._call.running:
            self._call.stop()
        self._report(final=True)

    def _report(self, final: bool = False) -> None:
        spider, stats = self._crawler.spider, self._crawler.stats
        assert isinstance(spider, CategoryNameSpider)
        assert stats is not None
        state: dict[str, Any] = {
            "categories_done": spider.categories_done,
            "outcomes": {outcome.value: count for outcome, count in spider.outcomes.items()},
            "requests": stats.get_value("downloader/request_count", 0),
            "responses": stats.get_value("downloader/response_count", 0),
            "stopped": spider.stopped,
            "final": final,
        }
        print(json.dumps(state), file=sys.stdout, flush=True)
