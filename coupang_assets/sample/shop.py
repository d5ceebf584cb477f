"""A shop on this machine that serves a world's product pages over real HTTP.

Belongs here: which answer a request gets, the access log, the server. Does not: HTML (`pages.py`).
"""

import datetime as dt
import json
import socket
import threading
import zlib
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from coupang_assets.errors import CoupangAssetsError, TransientError
from coupang_assets.sample import pages
from coupang_assets.sample.world import CODE_COLUMNS, NAME_COLUMNS, World

if TYPE_CHECKING:
    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

_START_SECONDS = 10.0


@dataclass(frozen=True)
class Access:
    """One answered request: time (ISO 8601, UTC), path, status and user agent."""

    time: str
    path: str
    status: int
    user_agent: str


@dataclass(frozen=True)
class _Product:
    title: str
    path: tuple[pages.Crumb, ...]
    layout: str
    page: str
    campaign: str | None


class LoopbackShop:
    """Product pages of a world, as they look in a work month.

    Names are those of the month. Products of categories that come later do not exist yet (404); those of categories
    that have ended stay reachable. Refusals (`refused_once`) answer a product's first request since the server started.

    Args:
        world: whose products.
        work_month: `YYYY_MM`; None serves every product under its latest category name.
        access_log: a file to append each request to, one JSON object a line.
        kept_accesses: how many requests `accesses` remembers.

    Attributes:
        accesses: the latest requests, oldest first.
    """

    def __init__(
        self,
        world: World,
        work_month: str | None = None,
        access_log: Path | None = None,
        kept_accesses: int = 100_000,
    ) -> None:
        self.accesses: deque[Access] = deque(maxlen=kept_accesses)
        self._access_log = access_log
        self._log_file: TextIO | None = None
        self._refused: set[str] = set()
        self._products = _products(world, work_month)

    @contextmanager
    def serve(self, port: int = 0) -> Iterator[str]:
        """Serve in a thread while the block runs; gives the base address, `http://127.0.0.1:<port>`.

        Raises:
            CoupangAssetsError: the port is taken or the log cannot be written.
            TransientError: the server did not come up in time.
        """
        with self._opened(port) as (server, listener, address):
            thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="loopback-shop")
            thread.daemon = True
            thread.start()
            try:
                self._await_start(server, thread)
                yield address
            finally:
                server.should_exit = True
                thread.join()

    def run(self, port: int = 0, on_start: Callable[[str], None] = print) -> None:
        """Serve until interrupted (Ctrl+C or SIGTERM); `on_start` is given the base address. Raises as `serve`."""
        with self._opened(port) as (server, listener, address):
            on_start(address)
            with suppress(KeyboardInterrupt):
                server.run(sockets=[listener])

    def answer(self, product_id: str, breadcrumb_only: bool = False) -> tuple[int, str]:
        """Status and HTML for a product page, or for the older layout's separate breadcrumb."""
        product = self._products.get(product_id)
        if product is None or (breadcrumb_only and product.layout != "legacy"):
            return 404, pages.NOT_FOUND
        if product.page == "refused_once" and product_id not in self._refused:
            self._refused.add(product_id)
            return 403, pages.refusal(f"/vp/products/{product_id}")
        if product.page == "off_sale":
            return 200, pages.off_sale()
        path = () if product.page == "no_breadcrumb" else product.path
        if breadcrumb_only:
            return 200, pages.breadcrumb_legacy(path)
        if product.layout == "legacy":
            return 200, pages.product_legacy(product_id, product.title)
        shown = ((pages.CAMPAIGN_CATEGORY, product.campaign), *path) if path and product.campaign else path
        return 200, pages.product_2025(product_id, product.title, shown, path)

    @contextmanager
    def _opened(self, port: int) -> Iterator[tuple["uvicorn.Server", socket.socket, str]]:
        import uvicorn

        self._refused.clear()
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind(("127.0.0.1", port))
                listener.listen(128)
                self._log_file = self._open_log()
            except OSError as error:
                raise CoupangAssetsError(
                    f"the loopback shop cannot be served on port {port}: {error}", "choose another port or log file"
                ) from error
            config = uvicorn.Config(self._application(), log_level="warning", access_log=False, lifespan="off")
            try:
                yield uvicorn.Server(config), listener, f"http://127.0.0.1:{listener.getsockname()[1]}"
            finally:
                if self._log_file is not None:
                    self._log_file.close()
                    self._log_file = None

    def _open_log(self) -> TextIO | None:
        if self._access_log is None:
            return None
        self._access_log.parent.mkdir(parents=True, exist_ok=True)
        return self._access_log.open("a", encoding="utf-8", buffering=1)

    @staticmethod
    def _await_start(server: "uvicorn.Server", thread: threading.Thread) -> None:
        waited = 0.0
        while not server.started:
            thread.join(timeout=0.01)
            waited += 0.01
            if not thread.is_alive() or waited > _START_SECONDS:
                raise TransientError("the loopback shop's server did not start", "try again")

    def _application(self) -> "Starlette":
        from starlette.applications import Starlette
        from starlette.requests import Request
        from starlette.responses import HTMLResponse, PlainTextResponse, Response
        from starlette.routing import Route

        async def robots(request: Request) -> Response:
            return self._logged(request, PlainTextResponse(pages.ROBOTS))

        async def product(request: Request) -> Response:
            status, html = self.answer(request.path_params["product_id"])
            return self._logged(request, HTMLResponse(html, status))

        async def breadcrumb(request: Request) -> Response:
            status, html = self.answer(request.path_params["product_id"], breadcrumb_only=True)
            return self._logged(request, HTMLResponse(html, status))

        async def unknown(request: Request) -> Response:
            return self._logged(request, PlainTextResponse("Not Found", 404))

        return Starlette(
            routes=[
                Route("/robots.txt", robots),
                Route("/vp/products/{product_id}", product),
                Route("/vp/products/{product_id}/breadcrumb-gnbmenu", breadcrumb),
                Route("/{rest:path}", unknown),
            ]
        )

    def _logged(self, request: "Request", response: "Response") -> "Response":
        access = Access(
            dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds"),
            request.url.path,
            response.status_code,
            request.headers.get("user-agent", ""),
        )
        self.accesses.append(access)
        if self._log_file is not None:
            self._log_file.write(json.dumps(asdict(access), ensure_ascii=False) + "\n")
        return response


def _products(world: World, work_month: str | None) -> dict[str, _Product]:
    categories = world.categories_named(work_month)
    if work_month is not None:
        categories = categories[categories["first_month"].fillna("") <= work_month]
    paths = {row["leaf_id"]: _crumbs(row) for row in categories.to_dict("records")}
    return {
        row["product_id"]: _Product(row["title"], paths[row["leaf_id"]], row["layout"], row["page"], row["campaign"])
        for row in world.products.to_dict("records")
        if row["leaf_id"] in paths
    }


def _crumbs(category: Mapping[Hashable, Any]) -> tuple[pages.Crumb, ...]:
    """The category's names as its page shows them; the shop's own ids are another space than the four-digit codes."""
    ids = [str(100_000 + int(category[name])) for name in CODE_COLUMNS]
    ids.append(str(500_000 + zlib.crc32(category["leaf_id"].encode()) % 400_000))
    names = [category[name] for name in NAME_COLUMNS]
    return tuple((node, name) for node, name in zip(ids, names, strict=True) if name)
