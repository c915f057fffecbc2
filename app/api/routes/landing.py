"""The landing page, conformance, health and metrics."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse, JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from app import __version__
from app.api.deps import ContainerDep
from app.api.documents.resources import base_url, link
from app.api.documents.schemas import Health
from app.errors import Unavailable
from app.telemetry.metrics import REGISTRY

WEB = Path(__file__).parents[2] / "web"
CONFORMANCE = [
    "http://www.opengis.net/spec/ogcapi-common-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-common-2/1.0/conf/collections",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/oas30",
    "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/dismiss",
    "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/json",
    "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/job-list",
    "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/ogc-process-description",
]

router = APIRouter(tags=["service"])


@router.get("/", summary="Landing page; the web page for browsers")
def landing(request: Request) -> Response:
    """OGC landing page as JSON, or the page where `Accept` prefers HTML."""
    if "text/html" in request.headers.get("accept", ""):
        return FileResponse(WEB / "index.html", headers={"Vary": "Accept", "Cache-Control": "no-cache"})
    base = base_url(request)
    document: dict[str, Any] = {
        "title": "Dyad",
        "description": "Finds the satellite tiles that look like this one",
        "version": __version__,
        "links": [
            link(f"{base}/", "self"),
            link(f"{base}/openapi.json", "service-desc", "application/vnd.oai.openapi+json;version=3.0"),
            link(f"{base}/docs", "service-doc", "text/html"),
            link(f"{base}/conformance", "conformance"),
            link(f"{base}/collections", "data"),
            link(f"{base}/jobs", "http://www.opengis.net/def/rel/ogc/1.0/job-list"),
            link(f"{base}/processes", "http://www.opengis.net/def/rel/ogc/1.0/processes"),
            link(f"{base}/models", "models"),
        ],
    }
    return JSONResponse(document, headers={"Vary": "Accept"})


@router.get("/docs", response_class=FileResponse, include_in_schema=False)
def docs() -> FileResponse:
    """Every request and answer, for people; drawn from files of the service's own."""
    return FileResponse(WEB / "docs.html", headers={"Cache-Control": "no-cache"})


@router.get("/conformance", summary="Which standards the service follows")
def conformance() -> dict[str, list[str]]:
    """Conformance classes, as OGC API Common has them."""
    return {"conformsTo": CONFORMANCE}


@router.get("/healthz", summary="Alive")
def healthz() -> Health:
    """Answers as long as the process does."""
    return Health(status="ok")


@router.get("/readyz", responses={503: {"model": Health}}, summary="Every part that an answer needs answers")
def readyz(container: ContainerDep) -> Response:
    """200 if all parts answer, else 503 with those that do not."""
    parts: dict[str, str] = {}
    for name, part in (("vectors", container.vectors), ("blobs", container.blobs), ("jobs", container.job_store)):
        try:
            part.ping()
            parts[name] = "ok"
        except Unavailable as error:
            parts[name] = str(error)
    ready = all(state == "ok" for state in parts.values())
    body = Health(status="ok" if ready else "unavailable", parts=parts).model_dump()
    return JSONResponse(body, 200 if ready else 503, headers={} if ready else {"Retry-After": "5"})


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}}, summary="Prometheus metrics")
def metrics(request: Request) -> Response:
    """Counters and latencies of this process, in Prometheus's text format."""
    registry: CollectorRegistry = request.app.state.metrics.registry
    return Response(generate_latest(registry) + generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)
