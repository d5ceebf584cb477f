"""Crawl options as Scrapy settings.

Belongs here: every setting that differs from Scrapy's default, each for a reason. Does not: the defaults of the
options (`options.py`).
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any, Final

from coupang_assets.crawling.options import CrawlOptions

MAX_BACKOFF_S: Final = 300.0
"""A Retry-After longer than this is cut to it: the crawl then stops by refusals in a row and is run again later."""

STOPPED_REFUSED: Final = "refused"
"""Why the spider stopped: too many refusals in a row, or no robots.txt where there should be one."""
STOPPED_CRAWL_DELAY: Final = "crawl_delay"
"""Why the spider stopped: robots.txt asks for pauses that are too long for a crawl."""


def scrapy_settings(options: CrawlOptions, journal_descriptor: int) -> dict[str, Any]:
    """Settings of one crawl that writes its attempts to an inherited, locked descriptor of the journal."""
    here = __package__
    return {
        # Manners.
        "USER_AGENT": options.user_agent,
        "ROBOTSTXT_OBEY": options.obey_robots,
        "COOKIES_ENABLED": False,
        "REFERRER_POLICY": "no-referrer",
        "DEFAULT_REQUEST_HEADERS": {"Accept": "text/html", "Accept-Language": "ko"},
        "CONCURRENT_REQUESTS": options.concurrency,
        "CONCURRENT_REQUESTS_PER_DOMAIN": options.concurrency,
        "DOWNLOAD_DELAY": options.delay_s,
        # A stated rate is kept exactly; random gaps would only serve to look like a person.
        "DOWNLOAD_DELAY_JITTER": 0.0,
        "AUTOTHROTTLE_ENABLED": options.autothrottle,
        "AUTOTHROTTLE_START_DELAY": options.delay_s,
        "AUTOTHROTTLE_TARGET_CONCURRENCY": float(options.concurrency),
        # Patience.
        "DOWNLOAD_TIMEOUT": options.timeout_s,
        "DOWNLOAD_MAXSIZE": options.max_bytes,
        "DOWNLOAD_WARNSIZE": 0,
        "RETRY_TIMES": options.retries,
        "RETRY_HTTP_CODES": [401, 403, 408, 429, 500, 502, 503, 504, 522, 524],
        "RETRY_PRIORITY_ADJUST": 0,
        "RETRY_GIVE_UP_LOG_LEVEL": "INFO",
        "BACKOFF_S": options.backoff_s,
        # Only the shop itself, by plain HTTP redirects only.
        "SHOP_HOST": options.host,
        "REDIRECT_MAX_TIMES": 5,
        "METAREFRESH_ENABLED": False,
        "HTTPPROXY_ENABLED": not _is_loopback(options.host[0]),
        "DOWNLOADER_MIDDLEWARES": {
            # Before robots.txt (100): that of another host must not be asked either.
            f"{here}.middlewares.ShopHostMiddleware": 50,
            # Behind robots.txt, whose Crawl-delay it keeps.
            f"{here}.middlewares.CrawlDelayMiddleware": 110,
            "scrapy.downloadermiddlewares.offsite.OffsiteMiddleware": None,
            "scrapy.downloadermiddlewares.retry.RetryMiddleware": None,
            f"{here}.middlewares.BackoffRetryMiddleware": 550,
        },
        # Every answer reaches the spider, because every answer is accounted for.
        "HTTPERROR_ALLOW_ALL": True,
        "ITEM_PIPELINES": {f"{here}.pipelines.JournalPipeline": 100},
        "JOURNAL_DESCRIPTOR": journal_descriptor,
        "EXTENSIONS": {f"{here}.extensions.ProgressReporter": 0},
        # Scrapy starts as many tasks for each answer; attempts are written one after the other anyway.
        "CONCURRENT_ITEMS": 1,
        # Would parse the source of the callbacks again for each answer.
        "WARN_ON_GENERATOR_RETURN_VALUE": False,
        # The spider asks no product twice; remembering every URL as well would grow with the crawl.
        "DUPEFILTER_CLASS": "scrapy.dupefilters.BaseDupeFilter",
        "TELNETCONSOLE_ENABLED": False,
        "LOG_LEVEL": options.log_level,
        "LOGSTATS_INTERVAL": 0,
        "STATS_DUMP": False,
    }


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
