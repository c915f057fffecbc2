"""Keys over HTTP: roles, the session of the page, signed pictures."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.api.access import AccessTable
from app.api.routes import MODULES
from app.domain.keys import Role
from app.stores import key_file
from app.stores.key_file import add_key, remove_key
from tests.support.pictures import striped
from tests.support.service import Service, document, running_service

PROBLEM = "application/problem+json"


@pytest.fixture(scope="module")
def keys_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys") / "keys"


@pytest.fixture(scope="module")
def keys(keys_file: Path) -> dict[str, str]:
    """The texts of a key of each role, by its name."""
    return {role: add_key(keys_file, role, role) for role in Role}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, keys_file: Path, keys: dict[str, str]) -> Iterator[Service]:
    """A service with keys, the collection `shapes` and one tile in it."""
    with running_service(tmp_path_factory.mktemp("home"), api_keys_file=keys_file, max_upload_mb=1) as running:
        running.client.headers["Authorization"] = f"Bearer {keys['admin']}"
        running.create("shapes", model="hog")
        running.upload("shapes", {"one.png": striped(0, size=64)})
        del running.client.headers["Authorization"]
        yield running


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def test_without_a_key_only_what_says_nothing_is_answered(guarded: Service) -> None:
    for path in ("/", "/healthz", "/readyz", "/conformance", "/openapi.json", "/docs", "/session", "/static/icon.svg"):
        assert guarded.client.get(path).status_code == 200, path
    for path in ("/collections", "/jobs", "/models", "/metrics", "/collections/shapes/items", "/nowhere"):
        answer = guarded.client.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (401, PROBLEM), path
        assert answer.headers["www-authenticate"].startswith("Bearer")
    assert guarded.client.post("/collections", content=b"{not json").status_code == 401


def test_the_key_travels_in_any_of_the_usual_ways(guarded: Service, keys: dict[str, str]) -> None:
    key = keys["read"]
    for headers in (bearer(key), {"X-API-Key": key}, {"Authorization": f"bearer {key}"}, {"Cookie": f"a=b; dyad_key={key}"}):
        assert guarded.client.get("/collections", headers=headers).status_code == 200
    assert guarded.client.get("/collections", auth=("anybody", key)).status_code == 200
    for headers in (
        bearer(key + "x"),
        {"Authorization": "Bearer"},
        {"Authorization": "Basic ???"},
        {"Authorization": "Basic /w=="},
        {"X-API-Key": "é"},
    ):
        answer = guarded.client.get("/collections", headers={n.encode(): v.encode() for n, v in headers.items()})
        assert (answer.status_code, answer.headers["content-type"]) == (401, PROBLEM), headers


@pytest.mark.parametrize(
    ("method", "path", "needed"),
    [
        ("POST", "/collections/shapes/search", "read"),
        ("POST", "/collections", "write"),
        ("PATCH", "/collections/shapes", "write"),
        ("POST", "/sample", "write"),
        ("DELETE", "/jobs/nothing", "write"),
        ("DELETE", "/collections/nothing", "admin"),
        ("POST", "/models", "admin"),
        ("POST", "/models/nothing/activate", "admin"),
        ("DELETE", "/models/nothing", "admin"),
    ],
)
def test_a_role_allows_what_stands_before_it_too(
    guarded: Service, keys: dict[str, str], method: str, path: str, needed: str
) -> None:
    for role in Role:
        answer = guarded.client.request(method, path, headers=bearer(keys[role]), content=b"[]")
        if role.allows(Role(needed)):
            assert answer.status_code not in (401, 403), (role, answer.text)
        else:
            assert (answer.status_code, answer.headers["content-type"]) == (403, PROBLEM)
            assert f"this needs {needed}" in document(answer)["detail"]


def test_every_route_was_thought_of(guarded: Service) -> None:
    """The role of every route, in one list: a change of a role must be deliberate."""
    table = AccessTable(route for module in MODULES for route in module.router.routes)
    needs: dict[str, set[str]] = {}
    for template, operations in document(guarded.client.get("/openapi.json"))["paths"].items():
        path = re.sub(r"{\w+}", "x", template)
        for method in map(str.upper, operations):
            if method != "GET":
                needs.setdefault(str(table.find(method, path).rule.role), set()).add(f"{method} {template}")
            elif table.find(method, path).rule.role is None:
                needs.setdefault("open", set()).add(template)
    assert needs == {
        "open": {"/", "/conformance", "/healthz", "/readyz", "/session"},
        "None": {"POST /session", "DELETE /session"},
        "read": {"POST /collections/{collection_id}/search", "POST /search"},
        "write": {
            "POST /collections",
            "PATCH /collections/{collection_id}",
            "POST /collections/{collection_id}/rollback",
            "POST /collections/{collection_id}/labels",
            "POST /collections/{collection_id}/items",
            "POST /collections/{collection_id}/searches",
            "POST /preview",
            "DELETE /searches/{search_id}",
            "POST /collections/{collection_id}/links",
            "DELETE /collections/{collection_id}/links/{link_id}",
            "PATCH /collections/{collection_id}/items/{item_id}",
            "DELETE /collections/{collection_id}/items/{item_id}",
            "PUT /collections/{collection_id}/schedule",
            "DELETE /collections/{collection_id}/schedule",
            "POST /collections/{collection_id}/schedule/run",
            "DELETE /jobs/{job_id}",
            "POST /processes/{process_id}/execution",
            "POST /sample",
        },
        "admin": {
            "DELETE /collections/{collection_id}",
            "POST /models",
            "POST /models/{model_id}/activate",
            "DELETE /models/{model_id}",
        },
    }


@pytest.mark.parametrize("path", ["/models%0A", "/collections/x%0a", "/%00"])
def test_an_address_that_only_looks_like_a_route_is_none(guarded: Service, keys: dict[str, str], path: str) -> None:
    assert guarded.client.delete(path, headers=bearer(keys["write"])).status_code == 404


def test_pages_of_other_sites_change_nothing(guarded: Service, service: Service, keys: dict[str, str]) -> None:
    foreign = {"Sec-Fetch-Site": "cross-site"}
    assert service.client.post("/sample", headers=foreign).status_code == 403
    assert guarded.client.post("/sample", headers={**foreign, **bearer(keys["admin"])}).status_code == 403
    assert service.client.get("/collections", headers=foreign).status_code == 200


def test_a_session_keeps_the_key_in_a_cookie(guarded: Service, keys: dict[str, str]) -> None:
    with httpx.Client(base_url=guarded.client.base_url) as browser:
        assert document(browser.get("/session")) == {"required": True, "name": None, "role": None}
        refused = browser.post("/session", json={"key": "dyad_wrong"})
        assert (refused.status_code, refused.headers["content-type"]) == (401, PROBLEM)
        begun = browser.post("/session", json={"key": keys["write"]})
        assert document(begun) == {"required": True, "name": "write", "role": "write"}
        assert {"HttpOnly", "SameSite=strict"} <= set(begun.headers["set-cookie"].split("; "))
        assert browser.get("/collections").status_code == 200
        assert document(browser.get("/session"))["name"] == "write"
        assert browser.delete("/session").status_code == 204
        assert browser.get("/collections").status_code == 401


def test_a_service_without_keys_needs_no_session(service: Service) -> None:
    open_to_all = {"required": False, "name": None, "role": None}
    assert document(service.client.get("/session")) == open_to_all
    assert document(service.client.post("/session", json={"key": "any"})) == open_to_all


def test_pictures_have_signed_links_for_those_who_came_with_a_key(
    guarded: Service, keys: dict[str, str], keys_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_file, "RELOAD_SECONDS", 0.0)
    gis = add_key(keys_file, "gis", Role.READ)
    feature = document(guarded.client.get("/collections/shapes/items", headers=bearer(gis)))["features"][0]
    hrefs = {link["rel"]: link["href"] for link in feature["links"]}
    assert feature["properties"]["thumbnail"] == hrefs["thumbnail"]
    for rel in ("thumbnail", "enclosure"):
        assert guarded.client.get(hrefs[rel]).status_code == 200, hrefs[rel]
    thumbnail = hrefs["thumbnail"]
    assert guarded.client.get(thumbnail + "&size=64").status_code == 200
    assert guarded.client.get(hrefs["self"]).status_code == 401
    assert guarded.client.delete(thumbnail.replace("/thumbnail", "")).status_code == 401
    for forged in (
        thumbnail.replace("signature=", "signature=0"),
        re.sub(r"expires=\d+", "expires=99999999999", thumbnail),
        re.sub(r"expires=\d+", "expires=1", thumbnail),
        re.sub("key=gis", "key=admin", thumbnail),
        re.sub("key=gis", "key=nobody", thumbnail),
        thumbnail.replace(feature["id"], "00000000-0000-4000-8000-000000000000"),
        thumbnail.replace("/shapes/", "/other/"),
    ):
        assert guarded.client.get(forged).status_code == 401, forged
    remove_key(keys_file, "gis")
    assert guarded.client.get(thumbnail).status_code == 401


def test_the_description_says_how_to_send_a_key(guarded: Service, service: Service) -> None:
    described = document(guarded.client.get("/openapi.json"))
    assert described["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"
    assert "securitySchemes" not in document(service.client.get("/openapi.json"))["components"]
