"""A shop on loopback whose every product misbehaves in a way its id says; counts what it is asked.

Belongs here: pages as the crawler meets them. Does not: the sample shop of the package.
"""

from __future__ import annotations

import asyncio
import html
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

ACCESS_DENIED = (
    "<HTML><HEAD><TITLE>Access Denied</TITLE></HEAD><BODY><H1>Access Denied</H1>You don't have permission</BODY></HTML>"
)
Page = Callable[[Request], Response | Awaitable[Response]]


def json_ld(names: list[str], home: str = "쿠팡 홈") -> str:
    items = [{"@type": "ListItem", "position": n, "name": name, "item": f"https://shop/np/categories/{n}"}
             for n, name in enumerate(names, start=2)]  # fmt: skip
    first = {"@type": "ListItem", "position": 1, "name": home, "item": "https://shop"}
    breadcrumb = {"@context": "https://schema.org", "@type": "BreadcrumbList", "itemListElement": [first, items]}
    return f'<script type="application/ld+json">{json.dumps(breadcrumb, ensure_ascii=False)}</script>'


def ul_breadcrumb(names: list[str]) -> str:
    links = "".join(
        f'<li><a title="{html.escape(name)}" href="https://shop/np/categories/{n}?eventCategory=breadcrumb">'
        f"{html.escape(name)}</a><svg/></li>" for n, name in enumerate(names)
    )  # fmt: skip
    return f'<ul class="breadcrumb twc-flex"><li><a href="https://shop">쿠팡 홈</a></li>{links}</ul>'


def legacy_fragment(names: list[str]) -> str:
    links = "".join(
        f'<li><a href="/np/categories/{n}" class="breadcrumb-link" title="{html.escape(name)}">\n {html.escape(name)}\n'
        "</a>&nbsp;&gt;</li>" for n, name in enumerate(names)
    )  # fmt: skip
    return f'<div><ul id="breadcrumb"><li><a href="/" class="breadcrumb-link">쿠팡 홈</a></li>{links}</ul></div>'


def page_2025(names: list[str]) -> str:
    return f"<html><head>{json_ld(names)}</head><body>{ul_breadcrumb(names)}<h1>상품</h1></body></html>"


PAGE_LEGACY = '<html><body><div id="breadcrumb-wrap"></div><h1>상품</h1></body></html>'
OFF_SALE = '<html><body><div class="prod-not-find-unknown">판매 중인 상품이 아닙니다</div></body></html>'


class Shop:
    """Pages by product id; what is not set is a 2025 page named after its product.

    Attributes:
        asked: moment and path of each request.
        answered: its access log: start, end, path and status of each request that got an answer.
    """

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self.fragments: dict[str, Page] = {}
        self.robots = "User-agent: *\nDisallow: /np/\n"
        self.robots_status = 200
        self.asked: list[tuple[float, str]] = []
        self.answered: list[tuple[float, float, str, int]] = []
        self.headers: list[dict[str, str]] = []
        self.base_url = ""

    def page(self, product_id: str, body: str, status: int = 200) -> None:
        self.pages[product_id] = lambda _: HTMLResponse(body, status)

    def count(self, product_id: str | None = None) -> int:
        """Requests for a product's page, or for all product pages and fragments."""
        paths = Counter(path for _, path in self.asked)
        if product_id is not None:
            return paths[f"/vp/products/{product_id}"]
        return sum(number for path, number in paths.items() if path.startswith("/vp/"))

    async def _serve(self, request: Request) -> Response:
        started = time.monotonic()
        response = await self._answer(request)
        self.answered.append((started, time.monotonic(), request.url.path, response.status_code))
        return response

    async def _answer(self, request: Request) -> Response:
        self.asked.append((time.monotonic(), request.url.path))
        self.headers.append(dict(request.headers))
        if request.url.path == "/robots.txt":
            return PlainTextResponse(self.robots, self.robots_status)
        if request.url.path.endswith("/breadcrumb-gnbmenu"):
            make = self.fragments.get(request.path_params["product_id"])
        else:
            product_id = request.path_params["product_id"]
            make = self.pages.get(product_id, lambda _: HTMLResponse(page_2025(["가전디지털", f"분류{product_id}"])))
        if make is None:
            return PlainTextResponse("no such page", 404)
        answer = make(request)
        return answer if isinstance(answer, Response) else await answer

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/robots.txt", self._serve),
                Route("/vp/products/{product_id}", self._serve),
                Route("/vp/products/{product_id}/breadcrumb-gnbmenu", self._serve),
            ]
        )


async def hang(_: Request) -> Response:
    await asyncio.sleep(30)
    return PlainTextResponse("too late")


def endless(_: Request) -> Response:
    async def zeros() -> Any:
        while True:
            yield b"0" * 65_536
            await asyncio.sleep(0.001)

    return StreamingResponse(zeros(), media_type="text/html")


def redirect_to(url: str) -> Page:
    return lambda _: RedirectResponse(url, 302)


@contextmanager
def serving(shop: Shop) -> Iterator[Shop]:
    """Serve on a free port of loopback for as long as the context lasts."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    shop.base_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    config = uvicorn.Config(shop.app(), log_level="critical", timeout_graceful_shutdown=0, lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield shop
    finally:
        server.should_exit = True
        server.force_exit = True
        thread.join(timeout=10)
        listener.close()
