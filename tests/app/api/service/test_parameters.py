"""Query parameters and media types of bodies: what a route does not read is refused and named, never ignored."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import APIRouter

from app.api.routing import MAX_VALUES, require_checked
from tests.support.service import Service, document

PATHS = (
    "/collections",
    "/collections/none/items",
    "/collections/none/search",
    "/jobs",
    "/models",
    "/processes",
    "/conformance",
    "/",
)


def detail(service: Service, path: str) -> str:
    answer = service.client.get(path)
    assert answer.status_code == 400, f"{path}: {answer.status_code} {answer.text}"
    return str(document(answer)["detail"])


def test_every_operation_refuses_an_unknown_parameter(service: Service) -> None:
    described = document(service.client.get("/openapi.json"))["paths"]
    operations = [(method, path) for path, methods in described.items() for method in methods]
    assert len(operations) > 40
    for method, path in operations:
        filled = path.replace("{collection_id}", "none").replace("{item_id}", "none").replace("{job_id}", "none")
        answer = service.client.request(method, filled.replace("{", "").replace("}", ""), params={"nonsense": "1"})
        assert answer.status_code == 400, (method, path, answer.text)
        assert "'nonsense'" in answer.text, (method, path)


@pytest.mark.parametrize(
    ("query", "named"),
    [("lable=river", "'labels'"), ("offset=10", "'token'"), ("LIMIT=3", "'limit'"), ("dateTime=..", "'datetime'")],
)
def test_the_nearest_known_parameter_is_named(service: Service, query: str, named: str) -> None:
    told = detail(service, f"/collections/none/items?{query}")
    assert f"{query.partition('=')[0]!r}; did you mean {named}?" in told
    accepted = told.rpartition("accepted: ")[2].split(", ")
    assert {"bbox", "datetime", "ids", "intersects", "labels", "limit", "token", "f"} <= set(accepted)


def test_a_parameter_is_given_once(service: Service) -> None:
    assert "'limit' is given more than once" in detail(service, "/jobs?limit=1&limit=2")
    assert service.client.get("/jobs?status=failed&status=successful").status_code == 200


def test_json_and_html_are_the_formats(service: Service) -> None:
    assert service.client.get("/collections?f=json").status_code == 200
    assert service.client.get("/collections?f=json&f=json").status_code == 400
    assert "f='xml' is not supported" in detail(service, "/collections?f=xml")
    assert service.client.get("/collections?f=html").headers["content-type"].startswith("text/html")
    unknown = "/collections/none/items/00000000-0000-4000-8000-000000000000/thumbnail?f=json"
    assert "unknown query parameter 'f'" in detail(service, unknown)


def test_pages_and_static_files_take_any_parameter(service: Service) -> None:
    for path in ("/docs", "/static/icon.svg", "/openapi.json"):
        assert service.client.get(path, params={"from": "mail"}).status_code == 200
    page = service.client.get("/?from=mail", headers={"Accept": "text/html"})
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")


def test_a_signed_link_is_accepted_without_keys(service: Service) -> None:
    unknown = "/collections/none/items/00000000-0000-4000-8000-000000000000/thumbnail"
    assert service.client.get(f"{unknown}?expires=1&key=a&signature=b").status_code == 404
    assert service.client.get(f"{unknown}?expires=1&key=a&signature=b&signature=c").status_code == 400


@pytest.mark.parametrize("path", ["/collections", "/collections/none/search", "/collections/none/items", "/session"])
@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_json_needs_a_json_content_type(service: Service, path: str, kind: str | None) -> None:
    headers = {} if kind is None else {"Content-Type": kind}
    answer = service.client.post(path, content=b'{"id": "none"}', headers=headers)
    assert answer.status_code == 415
    assert "application/json" in document(answer)["detail"]


def test_a_json_content_type_may_have_parameters(service: Service) -> None:
    for kind in ("application/json; charset=utf-8", "application/geo+json"):
        answer = service.client.post("/collections/none/search", content=b"{}", headers={"Content-Type": kind})
        assert answer.status_code in (400, 404), answer.text


@pytest.mark.parametrize("path", ["/collections", "/collections/none/search"])
def test_a_document_of_too_many_values_is_not_parsed(service: Service, path: str) -> None:
    body: dict[str, Any] = {"id": "none", "ids": [1] * (MAX_VALUES + 2)}
    answer = service.client.post(path, json=body)
    assert answer.status_code == 422
    assert f"more than {MAX_VALUES} values" in answer.text


def test_a_route_that_checks_nothing_stops_the_start() -> None:
    router = APIRouter()
    router.get("/x")(lambda: None)
    with pytest.raises(TypeError, match="does not check its parameters"):
        require_checked(router.routes)
