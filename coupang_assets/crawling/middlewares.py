"""Downloader middlewares: which hosts are contacted, and how long is waited between requests and after a refusal.

Belongs here: what concerns single requests. Does not: what follows for a category (`spider.py`).
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final, Self

from scrapy import Request, signals
from scrapy.crawler import Crawler
from scrapy.downloadermiddlewares.retry import RetryMiddleware
from scrapy.exceptions import IgnoreRequest
from scrapy.extensions.throttle import AutoThrottle
from scrapy.http import Response, TextResponse
from scrapy.robotstxt import RobotParser
from scrapy.settings import BaseSettings
from scrapy.utils.httpobj import urlparse_cached

from coupang_assets.crawling.parsers import is_refusal
from coupang_assets.crawling.scrapy_settings import MAX_BACKOFF_S, STOPPED_CRAWL_DELAY, STOPPED_REFUSED

logger = logging.getLogger(__name__)

MAX_CRAWL_DELAY_S: Final = 600.0
"""A shop that wants longer pauses does not want to be crawled: no product is asked."""

_DEFAULT_PORTS = {80, 443}


class OtherHostError(IgnoreRequest):
    """The shop sent us to another host; the request was not made."""


class ShopHostMiddleware:
    """Refuses every request to another host or port than the shop's.

    Scrapy's OffsiteMiddleware lets subdomains, other ports and retried requests (`dont_filter`) through.
    """

    def __init__(self, host: str, port: int | None) -> None:
        self._host = host
        self._ports = _DEFAULT_PORTS if port is None else {port}

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        return cls(*crawler.settings["SHOP_HOST"])

    def process_request(self, request: Request) -> None:
        url = urlparse_cached(request)
        port = url.port or (443 if url.scheme == "https" else 80)
        if url.hostname != self._host or port not in self._ports:
            raise OtherHostError(f"redirected to another host: {url.netloc[:100]}")


class CrawlDelayMiddleware:
    """Keeps the `Crawl-delay` of the shop's robots.txt where it is longer than our own, AutoThrottle or not.

    A robots.txt that the shop fails to serve forbids everything (RFC 9309, 2.3.1.4); the crawl then stops.
    """

    def __init__(self, crawler: Crawler) -> None:
        self._crawler = crawler
        self._wanted_s = 0.0
        crawler.signals.connect(self._robots_parsed, signal=signals.robots_parsed)

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        return cls(crawler)

    def process_request(self, request: Request) -> None:
        if self._wanted_s > MAX_CRAWL_DELAY_S:
            raise IgnoreRequest(f"robots.txt asks for {self._wanted_s:.0f} s between requests")

    def process_response(self, request: Request, response: Response) -> Response:
        if not request.meta.get("dont_obey_robotstxt") or response.status < 500:
            return response
        logger.warning("robots.txt: HTTP %d; nothing is asked", response.status)
        self._crawler.spider.stop(STOPPED_REFUSED)  # type: ignore[union-attr]
        return response.replace(body=b"User-agent: *\nDisallow: /\n")

    def _robots_parsed(self, robotparser: RobotParser, request: Request) -> None:
        settings = self._crawler.settings
        self._wanted_s = wanted_s = robotparser.crawl_delay(settings["USER_AGENT"]) or 0.0
        if wanted_s <= settings.getfloat("DOWNLOAD_DELAY"):
            return
        if wanted_s > MAX_CRAWL_DELAY_S:
            self._crawler.spider.stop(STOPPED_CRAWL_DELAY)  # type: ignore[union-attr]
            return
        logger.info("robots.txt asks for %.1f s between requests", wanted_s)
        engine, extensions = self._crawler.engine, self._crawler.extensions
        assert engine is not None
        assert extensions is not None
        for extension in extensions.middlewares:
            if isinstance(extension, AutoThrottle):
                extension.mindelay = max(extension.mindelay, wanted_s)
                extension.maxdelay = max(extension.maxdelay, wanted_s)
        key = engine.downloader.get_slot_key(request)
        # Counts for a slot that is made anew after a pause; the one there is has its own.
        engine.downloader.per_slot_settings[key] = {"delay": wanted_s}
        if key in engine.downloader.slots:
            engine.downloader.slots[key].delay = max(engine.downloader.slots[key].delay, wanted_s)


class BackoffRetryMiddleware(RetryMiddleware):
    """Retries as Scrapy does, and "Access Denied" pages too, after a wait that doubles each time.

    A waiting request keeps its place among the requests in flight, so refusals slow the whole crawl down.
    """

    def __init__(self, settings: BaseSettings) -> None:
        super().__init__(settings)
        self._backoff_s = settings.getfloat("BACKOFF_S")

    async def process_response(self, request: Request, response: Response) -> Request | Response:  # type: ignore[override]
        if request.meta.get("dont_obey_robotstxt") and response.status < 500:
            return response
        if response.status in self.retry_http_codes:
            reason = f"HTTP {response.status}"
        elif isinstance(response, TextResponse) and is_refusal(response.text):
            reason = "Access Denied page"
        else:
            return response
        retry = self._retry(request, reason)
        if retry is None:
            return response
        await self._wait(retry, reason, _retry_after_s(response))
        return retry

    async def process_exception(self, request: Request, exception: Exception) -> Request | None:  # type: ignore[override]
        if not isinstance(exception, self.exceptions_to_retry):
            return None
        retry = self._retry(request, exception)
        if retry is not None:
            await self._wait(retry, type(exception).__name__, 0.0)
        return retry

    async def _wait(self, retry: Request, reason: str, at_least_s: float) -> None:
        wait_s = max(at_least_s, self._backoff_s * 2 ** (retry.meta["retry_times"] - 1))
        wait_s = min(wait_s, MAX_BACKOFF_S)
        logger.info("%s: %s, waiting %.1f s", retry.url, reason, wait_s)
        await asyncio.sleep(wait_s)


def _retry_after_s(response: Response) -> float:
    value = (response.headers.get("Retry-After") or b"").strip()
    return float(value) if value.isdigit() and len(value) < 10 else 0.0
