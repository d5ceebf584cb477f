"""The crawling process: runs the spider over one job and ends with its parent.

Belongs here: what happens between the start of the process and its exit status. Does not: starting it (`runner.py`).
A process of its own, because a Twisted reactor cannot be started twice.
"""

from __future__ import annotations

import os
import select
import sys
import threading
from typing import Final

from scrapy.crawler import CrawlerProcess

from coupang_assets.crawling.job import read_job
from coupang_assets.crawling.scrapy_settings import scrapy_settings
from coupang_assets.crawling.spider import CategoryNameSpider

EXIT_FAILED: Final = 1
EXIT_ORPHANED: Final = 3


def main(job_descriptor: int, journal_descriptor: int) -> int:
    """Crawl the job open at one descriptor, append to the journal open at the other, and return the exit status.

    Standard input is the parent's life line, standard output carries progress, standard error the log.
    """
    _exit_with_parent()
    options, tasks = read_job(os.fdopen(job_descriptor, encoding="utf-8"))
    process = CrawlerProcess(scrapy_settings(options, journal_descriptor))
    crawler = process.create_crawler(CategoryNameSpider)
    process.crawl(crawler, options=options, tasks=tasks)
    process.start()
    spider, stats = crawler.spider, crawler.stats
    if not isinstance(spider, CategoryNameSpider) or stats is None or process.bootstrap_failed:
        return EXIT_FAILED
    complete = stats.get_value("finish_reason") == "finished" and not stats.get_value("spider_exceptions/count")
    return 0 if complete and spider.stopped != "journal" else EXIT_FAILED


def _exit_with_parent() -> None:
    """End this process as soon as standard input is closed or the parent is another one.

    At once and without clean-up: each journal line is written whole, and a hanging request must not delay the end.
    The parent's id is looked at too, since a process forked from the parent may keep the pipe open.
    """
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            readable, _, _ = select.select([sys.stdin], [], [], 1.0)
            if readable and not os.read(sys.stdin.fileno(), 1024):
                break
        os._exit(EXIT_ORPHANED)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
