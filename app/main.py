"""`create_app(settings)`: the FastAPI application. Nothing happens at import."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI
from fastapi.security import HTTPBearer
from fastapi.staticfiles import StaticFiles

from app import __version__
from app.api import problems
from app.api.middleware.access import AccessMiddleware
from app.api.middleware.fail_fast import PatienceMiddleware
from app.api.middleware.hosts import HostMiddleware
from app.api.middleware.limits import BodyLimitMiddleware, RateLimitMiddleware
from app.api.middleware.metrics import Metrics, MetricsMiddleware
from app.api.middleware.request_context import RequestContextMiddleware
from app.api.middleware.security_headers import SecurityHeadersMiddleware
from app.api.openapi import PROBLEMS, DescribedApi
from app.api.routes import (
    collections,
    demo_scene,
    index_versions,
    items,
    jobs,
    labels,
    landing,
    models,
    processes,
    schedules,
    search,
    session,
)
from app.container import Container

DESCRIPTION = "Finds the satellite tiles that look like this one. Errors are `application/problem+json` (RFC 9457)."

DOCUMENTED_KEY = HTTPBearer(auto_error=False, description="A key of `dyad keys create`")
"""For the OpenAPI document; `AccessMiddleware` does the checking."""


def create_app(container: Container) -> FastAPI:
    """The service over an opened container, which the application starts and closes with itself."""
    app = create_api(container)
    metrics = Metrics(container.job_store, container.depths)
    app.state.metrics = metrics
    app.mount("/static", StaticFiles(directory=landing.WEB), name="static")
    app.add_middleware(PatienceMiddleware)
    app.add_middleware(BodyLimitMiddleware)
    if container.settings.rate_limit:
        app.add_middleware(RateLimitMiddleware, rates=container.settings.rate_limit, broker_url=container.settings.broker_url)
    app.add_middleware(AccessMiddleware, keys=container.keys)
    if container.settings.checks_hosts:
        app.add_middleware(HostMiddleware, hosts=container.settings.allowed_hosts)
    app.add_middleware(SecurityHeadersMiddleware)
    app.add_middleware(MetricsMiddleware, metrics=metrics)
    app.add_middleware(RequestContextMiddleware)
    return app


def create_api(container: Container, *, runs_schedules: bool = True) -> FastAPI:
    """The routes over an opened container, without middleware: nothing checks keys, hosts or rates.

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
    problems.install(app)
    for module in (
        landing,
        collections,
        index_versions,
        labels,
        items,
        search,
        schedules,
        jobs,
        processes,
        models,
        demo_scene,
        session,
    ):
        app.include_router(module.router)
    return app
