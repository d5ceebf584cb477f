"""The service's application: paths, their errors, and what is alive while it runs.

Belongs here: HTTP. Does not: which model answers (``models``) or how titles are batched (``batching``).
"""

import asyncio
import contextlib
import gc
import secrets
from collections.abc import AsyncIterator
from importlib import resources
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Request, Security
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from fastapi.security import APIKeyHeader
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.middleware import Middleware

from coupang_assets.errors import CoupangAssetsError
from coupang_assets.serving.batching import MicroBatcher, Overloaded
from coupang_assets.serving.limits import RequestLimits
from coupang_assets.serving.metrics import RequestMetrics, ServiceMetrics
from coupang_assets.serving.models import Answering, ModelPool, ModelSource, ModelVersion
from coupang_assets.serving.schemas import (
    CategoryScore,
    Health,
    ModelInfo,
    Models,
    PredictRequest,
    PredictResponse,
    Problem,
    TitlePredictions,
)
from coupang_assets.settings import ServingSettings

_WATCHED = frozenset({"/health", "/metrics"})
_PATHS = frozenset({"/", "/predict", "/models", "/openapi.json", "/docs", *_WATCHED})


def _problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    described = {
        400: "the body is no JSON",
        401: "no API key, or a wrong one",
        404: "there is no such model",
        413: "the body is too large",
        422: "the request does not hold what it must",
        429: "too many requests are under way, or too many titles wait; come again",
        503: "no answer in time, or no model",
    }
    return {status: {"model": Problem, "description": described[status]} for status in statuses}


def create_app(source: ModelSource, options: ServingSettings) -> FastAPI:
    """The ASGI application. Nothing is loaded before its lifespan begins."""
    metrics = ServiceMetrics()

    def make_batcher(model: Answering) -> MicroBatcher:
        return MicroBatcher(
            model.predict, options.batch_titles, options.waiting_titles, lambda size: metrics.batch_titles.observe(size)
        )

    def swapped(new: ModelVersion, old: ModelVersion | None) -> None:
        metrics.model.clear()
        metrics.model.labels(new.id, new.version).set(1)
        if old is not None:
            metrics.swaps.inc()

    pool = ModelPool(source, make_batcher, keep=options.keep_models, swapped=swapped)
    metrics.waiting_titles.set_function(lambda: sum(serving.batcher.waiting for serving in pool.loaded))

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await pool.refresh()
        # What is there now stays; each time the collector walks over it, all requests wait.
        gc.collect()
        gc.freeze()
        watching = asyncio.create_task(pool.watch(options.reload_seconds, lambda error: metrics.failed_loads.inc()))
        yield
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
        await pool.close()

    app = FastAPI(
        title="Coupang product classifier",
        version="1",
        description="Category paths with calibrated scores for Korean product titles.",
        lifespan=lifespan,
        redoc_url=None,
        middleware=[
            Middleware(RequestMetrics, metrics=metrics, paths=_PATHS),
            Middleware(
                RequestLimits,
                concurrent=options.concurrent_requests,
                body_bytes=options.body_bytes,
                seconds=options.timeout_seconds,
                unlimited=_WATCHED,
            ),
        ],
    )
    key_header = APIKeyHeader(name="X-API-Key", auto_error=False)

    async def authorized(key: Annotated[str | None, Security(key_header)]) -> None:
        wanted = options.api_key
        # Headers reach us decoded as Latin-1, whatever their bytes mean.
        given = (key or "").encode("latin-1")
        if wanted and not secrets.compare_digest(given, wanted.get_secret_value().encode()):
            raise HTTPException(401, "this service wants its API key in the header X-API-Key")

    protected = [Depends(authorized)] if options.api_key else []

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        wrong = "; ".join(
            f"{'.'.join(str(part) for part in e['loc'][1:]) or 'body'}: {e['msg']}" for e in error.errors()
        )
        return JSONResponse({"detail": wrong}, status_code=422)

    @app.exception_handler(CoupangAssetsError)
    async def unusable(request: Request, error: CoupangAssetsError) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, status_code=503)

    @app.exception_handler(Overloaded)
    async def overloaded(request: Request, error: Overloaded) -> JSONResponse:
        return JSONResponse(
            {"detail": "too many titles wait already; come again in a second"},
            status_code=429,
            headers={"Retry-After": "1"},
        )

    @app.post(
        "/predict", dependencies=protected, responses=_problems(400, 401, 404, 413, 422, 429, 503), tags=["predictions"]
    )
    async def predict(asked: PredictRequest) -> PredictResponse:
        """Classify one title or many; answers come in the order of the titles."""
        serving = await pool.named(asked.model)
        if serving is None:
            raise HTTPException(404, f"there is no model {asked.model}; /models lists those there are")
        answers = await serving.batcher.submit(asked.titles, asked.top_k)
        metrics.titles.labels(serving.version.id).inc(len(asked.titles))
        return PredictResponse(
            model=serving.version.id,
            version=serving.version.version,
            results=[
                TitlePredictions(
                    title=title,
                    predictions=[
                        CategoryScore(
                            code=found.code, score=round(found.score, 6), path=list(serving.model.path(found.code))
                        )
                        for found in predictions
                    ],
                )
                for title, predictions in zip(asked.titles, answers, strict=True)
            ],
        )

    @app.get("/models", dependencies=protected, responses=_problems(401, 429, 503), tags=["models"])
    async def models() -> Models:
        """Every model that can be asked, newest month first."""
        loaded = {serving.version for serving in pool.loaded}
        current = pool.current.version
        return Models(
            models=[
                ModelInfo(
                    id=version.id,
                    month=version.month,
                    classifier=version.classifier,
                    version=version.version,
                    current=version == current,
                    loaded=version in loaded,
                )
                for version in await asyncio.to_thread(source.versions)
            ]
        )

    @app.get("/health", responses=_problems(503), tags=["operation"])
    async def health() -> Health:
        """Answers as long as a model can."""
        return Health(status="ok", model=pool.current.version.id, version=pool.current.version.version)

    @app.get(
        "/metrics",
        dependencies=protected,
        tags=["operation"],
        response_class=Response,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **_problems(401)},
    )
    async def prometheus() -> Response:
        """Metrics in Prometheus' text format."""
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    @app.get("/", include_in_schema=False)
    async def page() -> HTMLResponse:
        return HTMLResponse((resources.files("coupang_assets.serving") / "page.html").read_text("utf-8"))

    return app
