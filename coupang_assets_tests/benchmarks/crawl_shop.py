"""The crawl benchmark's shop: any number of categories, faults by design, an access log, a process of its own.

Belongs here: what each product is in truth, and which request gets which fault. Does not: judging a crawl (`crawl.py`).

What a product shows follows from its id alone, what befalls a request from its product and how often that was asked,
so that the same crawl meets the same faults on every machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import sys
import time
import zlib
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

import uvicorn

from coupang_assets.sample import pages

CANDIDATES = 5
ROBOTS = "User-agent: *\nDisallow: /np/\n"
_FIRST_ID = 10_000_000
_HANG_S = 60.0

Scope = dict[str, Any]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]


@dataclass(frozen=True)
class Faults:
    """Shares of requests or products, from 0 to 1, and refusals in bursts.

    Attributes:
        bursts: (first, last) number of the product requests that are refused, counted from the shop's start.
        hopeless: of the categories, those without any good product.
    """

    off_sale: float = 0.10
    no_breadcrumb: float = 0.05
    server_errors: float = 0.03
    hangs: float = 0.02
    bursts: tuple[tuple[int, int], ...] = ()
    hopeless: float = 0.01


def product_ids(category: int) -> list[str]:
    """A category's candidates, best first."""
    return [str(_FIRST_ID + category * CANDIDATES + place) for place in range(CANDIDATES)]


def true_names(category: int) -> tuple[str, ...]:
    """What every good page of a category says."""
    return ("가전디지털", f"중분류 {category % 37:02d}", f"소분류 {category % 911:03d}", f"카테고리 {category:06d}")


def page_of(product_id: str, faults: Faults) -> str:
    """`ok`, `off_sale` or `no_breadcrumb`."""
    category = (int(product_id) - _FIRST_ID) // CANDIDATES
    share = _chance("page", product_id)
    if _chance("hopeless", str(category)) < faults.hopeless:
        return "off_sale" if share < 0.5 else "no_breadcrumb"
    if share < faults.off_sale:
        return "off_sale"
    return "no_breadcrumb" if share < faults.off_sale + faults.no_breadcrumb else "ok"


def _chance(*what: str) -> float:
    """A number in [0, 1) that looks random and is always the same."""
    return zlib.crc32(zlib.crc32(":".join(what).encode()).to_bytes(4, "big")) / 2**32


class BenchmarkShop:
    """ASGI application; `log` gets a JSON object a request: start and end (monotonic), path, status, refused."""

    def __init__(self, faults: Faults, log: Path) -> None:
        self._faults = faults
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._asked: Counter[str] = Counter()
        self._requests = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started, path = time.monotonic(), scope["path"]
        status, body = 0, b""
        try:
            status, body, kind = await self._answer(path, receive)
            if status:
                headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
                await send({"type": "http.response.start", "status": status, "headers": headers})
                await send({"type": "http.response.body", "body": body})
        finally:
            line = {"start": started, "end": time.monotonic(), "path": path, "status": status}
            line["refused"] = b"Access Denied" in body
            os.write(self._log, (json.dumps(line) + "\n").encode())

    async def _answer(self, path: str, receive: Receive) -> tuple[int, bytes, str]:
        if path == "/robots.txt":
            return 200, ROBOTS.encode(), "text/plain"
        _, _, rest = path.partition("/vp/products/")
        product_id, _, fragment = rest.partition("/")
        if not product_id.isdigit():
            return 404, b"", "text/html"
        self._requests += 1
        self._asked[path] += 1
        for number, (first, last) in enumerate(self._faults.bursts):
            if first <= self._requests <= last:
                # The shop refuses in both ways: with a status, and with a page that says so.
                return (403 if number % 2 == 0 else 200), pages.refusal(path).encode(), "text/html"
        luck = _chance("request", path, str(self._asked[path]))
        if luck < self._faults.server_errors:
            return 503, b"busy", "text/html"
        if luck < self._faults.server_errors + self._faults.hangs:
            await _until_gone(receive)
            return 0, b"", ""
        return 200, _body(product_id, bool(fragment), self._faults).encode(), "text/html; charset=utf-8"


async def _until_gone(receive: Receive) -> None:
    async def gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    await asyncio.wait([asyncio.ensure_future(gone())], timeout=_HANG_S)


def _body(product_id: str, fragment: bool, faults: Faults) -> str:
    shown = page_of(product_id, faults)
    legacy = _chance("layout", product_id) < 0.1
    names = true_names((int(product_id) - _FIRST_ID) // CANDIDATES)
    path = [(str(500_000 + place), name) for place, name in enumerate(names)] if shown == "ok" else []
    if shown == "off_sale":
        return pages.off_sale()
    if fragment:
        return pages.breadcrumb_legacy(path)
    if legacy:
        return pages.product_legacy(product_id, f"상품 {product_id}")
    campaign = [(pages.CAMPAIGN_CATEGORY, "쿠팡수입")] if path and _chance("campaign", product_id) < 0.05 else []
    return pages.product_2025(product_id, f"상품 {product_id}", [*campaign, *path], path)


@contextmanager
def serving(faults: Faults, log: Path) -> Iterator[str]:
    """The shop in a process of its own while the block runs; gives its address."""
    command = [sys.executable, "-m", __name__, "--log", str(log), "--faults", json.dumps(asdict(faults))]
    with Popen(command, stdout=PIPE, stdin=PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def read_log(log: Path) -> list[dict[str, Any]]:
    """All requests, in the order they ended."""
    return [json.loads(line) for line in log.read_text().splitlines()]


def _main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--faults", type=json.loads, required=True)
    arguments = parser.parse_args()
    faults = Faults(**{**arguments.faults, "bursts": tuple(map(tuple, arguments.faults["bursts"]))})
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        config = uvicorn.Config(BenchmarkShop(faults, arguments.log), log_level="critical", lifespan="off")  # type: ignore[arg-type]
        uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    _main()
