"""The landing page, conformance, health and metrics."""

from __future__ import annotations

from typing import Any

from fastapi import Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from app import __version__
from app.api.access import public, requires
from app.api.answers.page_files import page
from app.api.deps import CollectionsDep, ContainerDep
from app.api.documents.base import GEOJSON, base_url, link
from app.api.documents.catalogue.collections import QUERYABLES
from app.api.documents.gis.schemas import MEDIA_TYPE as SCHEMA
from app.api.documents.gis.stac import STAC_VERSION
from app.api.documents.service.service import Health
from app.api.openapi import OPENAPI
from app.api.routing import checked_router, wants_html
from app.domain.keys import Role
from app.errors import Unavailable
from app.telemetry.metrics import REGISTRY

CHECK_SECONDS = 30.0
"""Maximum age of the check of the stored state that `/readyz` reports."""
CONFORMANCE: tuple[str, ...] = ("http://www.opengis.net/spec/ogcapi-common-1/1.0/conf/core",)

router = checked_router(tags=["service"])


@router.get("/", summary="Landing page")
@public
def landing(request: Request, collections: CollectionsDep) -> Response:
    """OGC landing page and STAC catalogue as JSON, or the web page if `Accept` contains text/html."""
    if wants_html(request):
        return page(request, "index.html")
    base = base_url(request)
    children = collections.ids() if _may_read(request) else []
    document: dict[str, Any] = {
        "type": "Catalog",
        "id": "dyad",
        "stac_version": STAC_VERSION,
        "conformsTo": request.app.state.conformance,
        "title": "Dyad",
        "description": "Finds satellite tiles that look like a given one",
        "version": __version__,
        "links": [
            link(f"{base}/", "self"),
            link(f"{base}/", "root"),
            link(f"{base}/search", "search", GEOJSON, method="GET"),
            link(f"{base}/search", "search", GEOJSON, method="POST"),
            link(f"{base}/queryables", QUERYABLES, SCHEMA),
            link(f"{base}/openapi.json", "service-desc", OPENAPI),
            link(f"{base}/docs", "service-doc", "text/html"),
            link(f"{base}/conformance", "conformance"),
            link(f"{base}/stac/collections", "data"),
            link(f"{base}/jobs", "http://www.opengis.net/def/rel/ogc/1.0/job-list"),
            link(f"{base}/processes", "http://www.opengis.net/def/rel/ogc/1.0/processes"),
            link(f"{base}/models", "models"),
            *(link(f"{base}/stac/collections/{collection_id}", "child") for collection_id in children),
        ],
    }
    return JSONResponse(document, headers={"Vary": "Accept"})


def _may_read(request: Request) -> bool:
    """Whether the client may know which collections there are: the landing page itself needs no key."""
    container = request.app.state.container
    return container.keys is None or getattr(request.state, "key", None) is not None


@router.get("/docs", response_class=HTMLResponse, include_in_schema=False)
@public
def docs(request: Request) -> Response:
    """Interactive documentation of the API; its files come from this service."""
    return page(request, "docs.html")


@router.get("/conformance", summary="Conformance classes")
@public
def conformance(request: Request) -> dict[str, list[str]]:
    """The conformance classes that the service implements (OGC API Common)."""
    return {"conformsTo": request.app.state.conformance}


@router.get("/healthz", summary="Liveness")
@public
def healthz() -> Health:
    """200 while the process answers requests."""
    return Health(status="ok")


@router.get("/readyz", responses={503: {"model": Health}}, summary="Readiness")
@public
def readyz(container: ContainerDep) -> Response:
    """200 if all components answer, else 503. `degraded`: all answer, but data is damaged or writes are refused."""
    parts: dict[str, str] = {}
    for name, part in (("vectors", container.vectors), ("blobs", container.blobs), ("jobs", container.job_store)):
        try:
            part.ping()
            parts[name] = "ok"
        except Unavailable as error:
            parts[name] = str(error)
    ready = all(state == "ok" for state in parts.values())
    findings = container.state.recent(CHECK_SECONDS) if ready else []
    status = "unavailable" if not ready else "degraded" if findings else "ok"
    degraded = [f"{found.part}: {found.problem}" for found in findings]
    body = Health(status=status, parts=parts, degraded=degraded).model_dump()
    return JSONResponse(body, 200 if ready else 503, headers={} if ready else {"Retry-After": "5"})


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}}, summary="Prometheus metrics")
@requires(Role.READ)
def metrics(request: Request) -> Response:
    """Metrics of this process in the Prometheus text format."""
    registry: CollectorRegistry = request.app.state.metrics.registry
    return Response(generate_latest(registry) + generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)
