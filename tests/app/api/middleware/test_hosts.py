"""The check of the Host header: pages of other sites whose domain resolves to this machine are refused."""

from __future__ import annotations

import http.client
from pathlib import Path

import httpx
import pytest

from app.api.middleware.hosts import host_of, is_own
from app.domain.keys import Role
from app.errors import ConfigError
from app.settings import load_settings
from app.stores.key_file import add_key
from tests.support.service import Service, running_service

OWN = [
    "127.0.0.1",
    "127.0.0.1:8000",
    "127.8.9.1",
    "localhost",
    "LOCALHOST:99",
    "localhost.",
    "dyad.localhost:1",
    "[::1]",
    "[::1]:8000",
]
FOREIGN = [
    "evil.example",
    "127.0.0.1.evil.example",
    "localhost.evil.example:8000",
    "notlocalhost",
    "10.0.0.1",
    "[2001:db8::1]",
    "0.0.0.0",
]


def asked(service: Service, host: str, method: str = "GET", path: str = "/collections") -> httpx.Response:
    return service.client.request(method, path, headers={"Host": host})


@pytest.mark.parametrize("host", OWN)
def test_it_answers_under_names_of_this_machine(service: Service, host: str) -> None:
    assert asked(service, host).status_code == 200


@pytest.mark.parametrize("host", FOREIGN)
def test_it_answers_under_no_other(service: Service, host: str) -> None:
    for method, path in (
        ("GET", "/"),
        ("GET", "/collections"),
        ("POST", "/collections"),
        ("GET", "/healthz"),
        ("GET", "/static/x"),
    ):
        answer = asked(service, host, method, path)
        assert (answer.status_code, answer.headers["content-type"]) == (421, "application/problem+json"), path
        assert "DYAD_ALLOWED_HOSTS" in answer.json()["detail"]


def test_two_names_are_none_and_no_name_is_no_browser(service: Service) -> None:
    for names, status in ((["127.0.0.1", "evil.example"], 421), ([], 200)):
        connection = http.client.HTTPConnection("127.0.0.1", service.client.base_url.port, timeout=30)
        connection._http_vsn_str = "HTTP/1.0"  # type: ignore[attr-defined]
        connection.putrequest("GET", "/collections", skip_host=True)
        for name in names:
            connection.putheader("Host", name)
        connection.endheaders()
        assert connection.getresponse().status in {status, 400 if names else status}, names
        connection.close()


def test_settings_may_name_more(tmp_path: Path) -> None:
    with running_service(tmp_path / "home", allowed_hosts="tiles.example.com, OTHER.example") as service:
        for host in ("tiles.example.com", "Tiles.Example.COM:443", "other.example.", "localhost"):
            assert asked(service, host).status_code == 200
        assert asked(service, "evil.example").status_code == 421


def test_with_keys_it_answers_under_every_name_unless_some_are_named(tmp_path: Path) -> None:
    key = add_key(tmp_path / "keys", "ana", Role.READ)
    for number, (hosts, status) in enumerate((("", 200), ("tiles.example.com", 421))):
        with running_service(tmp_path / f"home-{number}", api_keys_file=tmp_path / "keys", allowed_hosts=hosts) as service:
            service.client.headers["X-API-Key"] = key
            assert asked(service, "dyad.example").status_code == status


def test_a_wrong_name_stops_the_start() -> None:
    for wrong in ("https://tiles.example.com", "tiles.example.com:443", "*", "a b"):
        with pytest.raises(ConfigError, match="DYAD_ALLOWED_HOSTS"):
            load_settings({"DYAD_ALLOWED_HOSTS": wrong})


def test_what_a_header_names() -> None:
    assert [host_of([text]) for text in ("A.b:80", "[::1]:80", "[::1", "", "x.")] == ["a.b", "::1", "::1", "", "x"]
    own = ["::1", "127.255.0.1", "localhost"]
    assert [host for host in (*own, "0", "2130706433", "", "localhost.x") if is_own(host)] == own
