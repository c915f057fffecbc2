"""Requests of pages of other sites: they change nothing, unless their origin is permitted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from starlette.datastructures import Headers

from app.api.middleware.origins import OriginCheck
from tests.support.service import Service, document, running_service

ALLOWED, NAME = "https://maps.example.com", "tiles.example.com"
OWN = OriginCheck([ALLOWED], [NAME])
HOST = {"host": "127.0.0.1:8000"}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "none"},
        {"origin": "http://127.0.0.1:8000"},
        {"origin": "http://127.0.0.1:8000", "sec-fetch-site": "same-origin"},
        {"referer": "http://127.0.0.1:8000/#collection=a"},
        {"origin": "https://tiles.example.com"},
        {"origin": "https://tiles.example.com", "host": "tiles.example.com:443"},
        {"origin": "http://other.example.com:8443", "host": "other.example.com:8443"},
        {"origin": ALLOWED, "sec-fetch-site": "cross-site"},
        {"referer": f"{ALLOWED}/viewer?x=1"},
    ],
)
def test_a_request_of_the_page_a_program_or_a_permitted_origin_passes(headers: dict[str, str]) -> None:
    assert OWN.refusal(Headers({**HOST, **headers})) is None


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "other"},
        {"origin": "https://evil.example.com"},
        {"origin": "https://evil.example.com", "sec-fetch-site": "same-origin"},
        {"origin": "http://127.0.0.1:9000"},
        {"origin": "http://127.0.0.1"},
        {"origin": "http://localhost:8000"},
        {"origin": "null"},
        {"origin": ""},
        {"origin": "http://"},
        {"origin": "https://maps.example.com.evil.example"},
        {"origin": "http://maps.example.com"},
        {"origin": "https://evil.example.com", "referer": "http://127.0.0.1:8000/"},
        {"referer": "https://evil.example.com/127.0.0.1:8000"},
        {"referer": "http://127.0.0.1:8000@evil.example.com/"},
        {"referer": "http://[evil/"},
    ],
)
def test_a_request_of_another_site_is_refused(headers: dict[str, str]) -> None:
    assert "sent this request" in (OWN.refusal(Headers({**HOST, **headers})) or "")


def test_two_origins_or_two_hosts_are_not_compared() -> None:
    host, origin = (b"host", b"127.0.0.1:8000"), (b"origin", b"http://127.0.0.1:8000")
    assert OWN.refusal(Headers(raw=[host, origin])) is None
    for more in (host, origin):
        assert OWN.refusal(Headers(raw=[host, origin, more])) is not None


@pytest.fixture(scope="module")
def permitting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("home"), cors_origins=ALLOWED) as running:
        yield running


def test_the_service_refuses_and_permits_by_origin(service: Service, permitting: Service) -> None:
    def create(running: Service, **headers: str) -> httpx.Response:
        return running.client.post("/collections", json={"id": "o", "model": "hog"}, headers=headers)

    for running in (service, permitting):
        foreign = create(running, Origin="https://evil.example.com")
        assert (foreign.status_code, "DYAD_CORS_ORIGINS" in document(foreign)["detail"]) == (403, True)
        assert running.client.get("/collections", headers={"Origin": "https://evil.example.com"}).status_code == 200
        assert running.client.post("/session", json={"key": "a"}, headers={"Origin": "null"}).status_code == 403
    assert create(service, Origin=ALLOWED).status_code == 403
    assert create(permitting, Origin=ALLOWED).status_code == 201
    own = str(permitting.client.base_url).rstrip("/")
    assert create(permitting, Origin=own).status_code == 409
    assert create(permitting).status_code == 409


def test_forms_of_other_sites_cannot_upload(service: Service, tmp_path: Path) -> None:
    form = {"files": ("a.png", b"x")}
    answer = service.client.post("/collections/none/items", files=form, headers={"Referer": "https://evil.example.com/"})
    assert answer.status_code == 403
