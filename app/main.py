"""`create_app(container)`: the FastAPI application. Importing this module has no side effects."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI
from fastapi.security import HTTPBearer
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES, GZipMiddleware
from starlette.routing import BaseRoute

from app import __version__
from app.api import problems
from app.api.access import AccessTable
from app.api.answers.page_files import WEB, PageFiles
from app.api.middleware.access import AccessMiddleware
from app.api.middleware.body_rate import BodyRateMiddleware
from app.api.middleware.fail_fast import FailFastMiddleware
from app.api.middleware.head import HeadMiddleware
from app.api.middleware.hosts import HostMiddleware
from app.api.middleware.limits import BodyLimitMiddleware, RateLimitMiddleware
from app.api.middleware.metrics import Metrics, MetricsMiddleware
from app.api.middleware.origins import OriginCheck
from app.api.middleware.request_context import RequestContextMiddleware
from app.api.middleware.security_headers import SecurityHeadersMiddleware
from app.api.middleware.stac_paths import StacPathMiddleware
from app.api.openapi import PROBLEMS, DescribedApi
from app.api.routes import MODULES
from app.api.routing import require_checked
from app.container import Container

DESCRIPTION = "Finds satellite tiles that look like a given one. Errors are `application/problem+json` (RFC 9457)."
PUBLIC_PATHS = ("/openapi.json", "/static/{path:path}")
"""Paths that FastAPI and Starlette serve themselves; they need no key."""

COMPRESSED_FROM = 1000
"""Bytes of an answer that is worth compressing."""
NOT_COMPRESSED = (*DEFAULT_EXCLUDED_CONTENT_TYPES, "image/*", "application/octet-stream", "application/vnd.apache.parquet")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
REQUEST_HEADERS = ("Authorization", "X-API-Key", "Content-Type", "If-Match", "If-None-Match", "Range", "X-Request-ID")
ANSWER_HEADERS = ("Location", "Link", "ETag", "Content-Crs", "Content-Range", "Retry-After", "X-Request-ID")
"""Headers of answers that a page of another origin may read (CORS)."""

DOCUMENTED_KEY = HTTPBearer(auto_error=False, description="An API key, created with `dyad keys create`")
"""For the OpenAPI document only; `AccessMiddleware` checks keys."""


def create_app(container: Container) -> FastAPI:
    """The HTTP service over an opened container. The application starts the container at its start and closes it at its end.

    Raises:
        TypeError: a route declares no role.
    """
    app = create_api(container)
    metrics = Metrics(container.job_store, container.depths)
    app.state.metrics = metrics
    app.mount("/static", PageFiles(directory=WEB), name="static")
    _add_middleware(app, container, metrics, AccessTable(_routes(), PUBLIC_PATHS))
    return app


def create_api(container: Container, *, runs_schedules: bool = True) -> DescribedApi:
    """The routes over an opened container, without middleware: keys, hosts and rates are not checked.

    Do not serve it on a network. runs_schedules: whether the lifespan also starts the clock of the schedules.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        container.start(tick=runs_schedules)
        try:
            yield
        finally:
            container.close()

    app = DescribedApi(
        title="Dyad",
        version=__version__,
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        dependencies=[] if container.keys is None else [Depends(DOCUMENTED_KEY)],
        responses=PROBLEMS,
    )
    app.state.container = container
    app.state.conformance = [name for module in MODULES for name in module.CONFORMANCE]
    problems.install(app)
    for module in MODULES:
        app.include_router(module.router)
    require_checked(_routes())
    app.describe(_routes())
    return app


def _routes() -> list[BaseRoute]:
    return [route for module in MODULES for route in module.router.routes]


def _add_middleware(app: FastAPI, container: Container, metrics: Metrics, table: AccessTable) -> None:
    """Add the middleware, the innermost first."""
    settings = container.settings
    app.add_middleware(FailFastMiddleware)
    app.add_middleware(BodyLimitMiddleware)
    if settings.rate_limit:
        app.add_middleware(RateLimitMiddleware, rates=settings.rate_limit, broker_url=settings.broker_url)
    origins = OriginCheck(settings.cors_origins, settings.allowed_hosts)
    app.add_middleware(AccessMiddleware, keys=container.keys, table=table, origins=origins, links=container.shared_links)
    if settings.checks_hosts:
        app.add_middleware(HostMiddleware, hosts=settings.allowed_hosts)
    app.add_middleware(SecurityHeadersMiddleware, images=settings.basemap_origin)
    app.add_middleware(GZipMiddleware, minimum_size=COMPRESSED_FROM, compresslevel=5, exclude_content_types=NOT_COMPRESSED)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=METHODS,
            allow_headers=REQUEST_HEADERS,
            expose_headers=ANSWER_HEADERS,
            max_age=3600,
        )
    app.add_middleware(StacPathMiddleware)
    app.add_middleware(HeadMiddleware)
    app.add_middleware(BodyRateMiddleware)
    app.add_middleware(MetricsMiddleware, metrics=metrics)
    app.add_middleware(RequestContextMiddleware)
