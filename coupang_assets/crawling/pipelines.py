"""Item pipeline: every attempt goes into the journal.

Belongs here: what happens to items. Does not: the form of the journal (`journal.py`).
"""

from __future__ import annotations

import logging
from typing import Self

from scrapy.crawler import Crawler

from coupang_assets.crawling.journal import Attempt, JournalWriter

logger = logging.getLogger(__name__)


class JournalPipeline:
    """Appends attempts to the journal; stops the crawl when that is impossible, since answers would be lost."""

    def __init__(self, crawler: Crawler) -> None:
        self._crawler = crawler
        self._journal = JournalWriter(crawler.settings.getint("JOURNAL_DESCRIPTOR"))

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        return cls(crawler)

    def process_item(self, item: Attempt) -> Attempt:
        try:
            self._journal.append(item)
        except OSError as error:
            logger.critical("the crawl journal cannot be written: %s", error)
            self._crawler.spider.stop("journal")  # type: ignore[union-attr]
        return item

    def close_spider(self) -> None:
        self._journal.close()
