"""What Prometheus is told of the service."""

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_TITLES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class ServiceMetrics:
    """Metrics of one application, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "coupang_assets_requests_total", "requests answered", ["path", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "coupang_assets_request_seconds",
            "time to answer a request",
            ["path"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.titles = Counter("coupang_assets_titles_total", "titles classified", ["model"], registry=self.registry)
        self.batch_titles = Histogram(
            "coupang_assets_batch_titles", "titles answered together", buckets=_TITLES, registry=self.registry
        )
        self.waiting_titles = Gauge("coupang_assets_waiting_titles", "titles that wait now", registry=self.registry)
        self.model = Gauge(
            "coupang_assets_model", "1 for the current model", ["model", "version"], registry=self.registry
        )
        self.swaps = Counter("coupang_assets_model_swaps_total", "changes of the current model", registry=self.registry)
        self.failed_loads = Counter(
            "coupang_assets_model_load_failures_total", "newer models that could not be loaded", registry=self.registry
        )


class RequestMetrics:
    """Counts and times requests, those refused before they were read included.

    Args:
        paths: counted by name; any other path is counted as ``other``, so that strangers cannot make metrics grow.
    """

    def __init__(self, app: ASGIApp, metrics: ServiceMetrics, paths: frozenset[str]) -> None:
        self._app = app
        self._metrics = metrics
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"] if scope["path"] in self._paths else "other"
        status = 500

        async def noted_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        began = time.perf_counter()
        try:
            await self._app(scope, receive, noted_send)
        finally:
            self._metrics.requests.labels(path, str(status)).inc()
            self._metrics.seconds.labels(path).observe(time.perf_counter() - began)
