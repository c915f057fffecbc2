from __future__ import annotations

import re

import pytest

from app import __version__
from app.api.routes import MODULES
from tests.support.service import Service, document


def test_landing_speaks_json_to_programs_and_html_to_browsers(service: Service) -> None:
    answer = service.client.get("/")
    landing = document(answer)
    assert landing["version"] == __version__
    assert {link["rel"] for link in landing["links"]} >= {"self", "conformance", "data", "service-desc", "service-doc"}
    for link in landing["links"]:
        assert service.client.get(link["href"]).status_code == 200, link
    page = service.client.get("/", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert "Accept" in page.headers["vary"]


def test_docs_need_no_other_host(service: Service) -> None:
    page = service.client.get("/docs")
    assert page.status_code == 200
    for address in re.findall(r'(?:href|src)="([^"]+)"', page.text):
        assert "//" not in address
        assert service.client.get(f"/{address}").status_code == 200


def test_conformance(service: Service) -> None:
    named = document(service.client.get("/conformance"))["conformsTo"]
    assert any("ogcapi-features-1" in name for name in named)
    assert named == [name for module in MODULES for name in module.CONFORMANCE]
    assert len(named) == len(set(named)) > 30


def test_health(service: Service) -> None:
    assert document(service.client.get("/healthz"))["status"] == "ok"
    ready = service.client.get("/readyz")
    assert (ready.status_code, document(ready)["parts"]) == (200, {"vectors": "ok", "blobs": "ok", "jobs": "ok"})


def test_metrics_count_requests_by_route(service: Service) -> None:
    service.client.get("/collections/nothing-here")
    text = service.client.get("/metrics").text
    assert 'dyad_requests_total{method="GET",route="/collections/{collection_id}",status="404"}' in text
    assert "nothing-here" not in text


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nowhere", 404), ("DELETE", "/collections", 405)])
def test_http_errors_are_problems(service: Service, method: str, path: str, status: int) -> None:
    answer = service.client.request(method, path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    problem = document(answer)
    assert set(problem) >= {"type", "title", "status", "detail"}
    assert problem["status"] == status
    assert path in problem["detail"]


def test_models_are_listed_with_the_default_first(service: Service) -> None:
    models = document(service.client.get("/models"))["models"]
    assert {"hog", "lbp-rgb"} <= {model["id"] for model in models}
    assert [model["default"] for model in models] == [True] + [False] * (len(models) - 1)
    one = document(service.client.get(f"/models/{models[0]['id']}"))
    assert one == models[0]
    assert service.client.get("/models/nope").status_code == 404


def test_openapi_describes_every_route_once(service: Service) -> None:
    paths = document(service.client.get("/openapi.json"))["paths"]
    assert {"/collections/{collection_id}/search", "/collections/{collection_id}/items", "/jobs/{job_id}/events"} <= set(paths)
    operations = [operation["operationId"] for path in paths.values() for operation in path.values()]
    assert len(operations) == len(set(operations))
