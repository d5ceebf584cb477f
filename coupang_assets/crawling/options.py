"""How a crawl behaves towards the shop.

Belongs here: the options with their defaults and limits. Does not: how Scrapy is told (`scrapy_settings.py`), where
the values come from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from coupang_assets.errors import CoupangAssetsError

_PRODUCT: Final = "{product_id}"


@dataclass(frozen=True, slots=True)
class CrawlOptions:
    """Politeness and patience of a crawl; the defaults suit a shop on the internet.

    Attributes:
        base_url: scheme and host of the shop. Only this host is ever contacted, redirects and robots.txt included.
        product_path: path of a product page; `{product_id}` is filled in.
        fragment_path: path of the breadcrumb of the older layout.
        user_agent: says who asks; give an address where the shop can reach you.
        delay_s: seconds between two requests, at least.
        concurrency: requests in flight at a time. One that waits for its retry counts, so refusals slow all down.
        timeout_s: seconds after which a request without an answer has failed.
        max_bytes: size of a body, compressed or not, above which it is dropped.
        retries: further requests for one page after a refusal or a passing failure.
        backoff_s: seconds before the first retry; doubled for each further one, more if the shop's Retry-After says so.
        agreeing: products that must give a category the same names before no further one is asked.
        obey_robots: ask robots.txt first, leave alone what it forbids and keep its Crawl-delay.
        autothrottle: adapt the delay to the shop's latency.
        stop_after: products in a row that are refused, or cannot be reached, after which the crawl stops for this
            time; the next one goes on from there.
        log_level: level of the crawler's log, whose end is shown when it fails.
    """

    base_url: str = "https://www.coupang.com"
    product_path: str = "/vp/products/{product_id}"
    fragment_path: str = "/vp/products/{product_id}/breadcrumb-gnbmenu"
    user_agent: str = "coupang-assets (category dictionary crawler)"
    delay_s: float = 1.0
    concurrency: int = 2
    timeout_s: float = 30.0
    max_bytes: int = 8 * 1024 * 1024
    retries: int = 2
    backoff_s: float = 5.0
    agreeing: int = 2
    obey_robots: bool = True
    autothrottle: bool = True
    stop_after: int = 20
    log_level: str = "WARNING"

    def __post_init__(self) -> None:
        try:
            url = urlsplit(self.base_url)
            valid = url.scheme in {"http", "https"} and bool(url.hostname) and url.path in {"", "/"} and url.port != 0
        except ValueError:
            valid = False
        if not valid or url.query or url.fragment or url.username is not None:
            raise CoupangAssetsError(
                f"crawl option base_url={self.base_url!r} is no address of a shop",
                "give scheme and host only, such as https://www.coupang.com",
            )
        for name in ("product_path", "fragment_path"):
            path = getattr(self, name)
            if not path.startswith("/") or path.startswith("//") or path.count(_PRODUCT) != 1:
                raise CoupangAssetsError(
                    f"crawl option {name}={path!r} is no path of a page",
                    f"start it with one / and let {_PRODUCT} stand in it once",
                )
        for name, least in (
            ("delay_s", 0), ("concurrency", 1), ("timeout_s", 0.001), ("max_bytes", 1),
            ("retries", 0), ("backoff_s", 0), ("agreeing", 1), ("stop_after", 1),
        ):  # fmt: skip
            if not getattr(self, name) >= least:
                raise CoupangAssetsError(f"crawl option {name}={getattr(self, name)!r}", f"give at least {least}")
        if not self.user_agent.strip() or not self.user_agent.isprintable() or not self.user_agent.isascii():
            raise CoupangAssetsError(
                f"crawl option user_agent={self.user_agent!r}", "name the crawler in printable ASCII"
            )

    @property
    def host(self) -> tuple[str, int | None]:
        """Host name and, if `base_url` gives one, port of the shop."""
        url = urlsplit(self.base_url)
        return url.hostname or "", url.port

    def product_url(self, product_id: str) -> str:
        return self.base_url.rstrip("/") + self.product_path.replace(_PRODUCT, product_id)

    def fragment_url(self, product_id: str) -> str:
        return self.base_url.rstrip("/") + self.fragment_path.replace(_PRODUCT, product_id)
