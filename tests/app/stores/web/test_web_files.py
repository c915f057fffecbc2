"""Only addresses that are named are reached, however a URL is written: real servers, which record their requests."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.errors import Forbidden, InvalidInput, TooLarge, Unfetchable
from app.stores.web.addresses import is_public
from app.stores.web.web_files import HttpFiles
from tests.support.web import Answer, WebServer, web_server

MEGABYTE = 1 << 20


@pytest.fixture
def inside() -> Iterator[WebServer]:
    """A service of this machine that no setting names: it must receive no request."""
    with web_server({"/secret": b"secret", "/data/secret": b"secret"}) as server:
        yield server
        assert server.asked == []


@pytest.fixture
def named() -> Iterator[WebServer]:
    """A server that the settings name, by its address, with the folder /data/."""
    with web_server({"/data/a.bin": b"a" * 1000}) as server:
        yield server


def files_of(server: WebServer) -> HttpFiles:
    return HttpFiles([f"{server.url}/data/"])


def test_a_file_is_fetched(named: WebServer, tmp_path: Path) -> None:
    files = files_of(named)
    files.fetch(files.check(f"{named.url}/data/a.bin"), tmp_path / "a", MEGABYTE)
    assert (tmp_path / "a").read_bytes() == b"a" * 1000
    assert named.asked == [("GET", "/data/a.bin", f"127.0.0.1:{named.port}")]


def test_what_is_not_named_is_not_asked(named: WebServer, inside: WebServer, tmp_path: Path) -> None:
    files, port = files_of(named), inside.port
    for url in (
        f"{named.url}/secret",
        f"{named.url}/data2/x",
        f"{inside.url}/data/secret",
        f"http://localhost:{named.port}/data/a.bin",
        f"http://2130706433:{port}/data/secret",
        f"http://0x7f000001:{port}/data/secret",
        f"http://0177.0.0.1:{port}/data/secret",
        f"http://127.1:{port}/data/secret",
        f"http://0:{port}/data/secret",
        f"http://[::1]:{port}/data/secret",
        f"http://[::ffff:127.0.0.1]:{port}/data/secret",
        f"http://[::ffff:7f00:1]:{port}/data/secret",
    ):
        with pytest.raises(Forbidden, match="DYAD_READ_ROOTS"):
            files.check(url)
        with pytest.raises(Forbidden):
            files.fetch(url, tmp_path / "x", MEGABYTE)
    for url in (
        f"http://127.0.0.1:{named.port}@127.0.0.1:{port}/data/secret",
        f"http://127.0.0.1:{named.port}\\@127.0.0.1:{port}/data/secret",
        f"{named.url}/data/../secret",
        f"{named.url}/data/%2e%2e/secret",
        f"{named.url}/data/..%2fsecret",
    ):
        with pytest.raises(InvalidInput):
            files.fetch(url, tmp_path / "x", MEGABYTE)
    assert named.asked == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_leads_nowhere_else(status: int, named: WebServer, inside: WebServer, tmp_path: Path) -> None:
    targets = [
        f"{inside.url}/secret",
        f"//127.0.0.1:{inside.port}/data/secret",
        f"http://2130706433:{inside.port}/data/secret",
        f"http://[::ffff:127.0.0.1]:{inside.port}/data/secret",
        f"http://localhost:{inside.port}/data/secret",
        f"http://x@127.0.0.1:{inside.port}/data/secret",
        "file:///etc/passwd",
        "/secret",
        "../secret",
    ]
    for number, target in enumerate(targets):
        named.answers[f"/data/{number}"] = Answer(b"moved", status, {"Location": target})
        with pytest.raises((Forbidden, InvalidInput)):
            files_of(named).fetch(f"{named.url}/data/{number}", tmp_path / "x", MEGABYTE)
    assert [path for _, path, _ in named.asked] == [f"/data/{number}" for number in range(len(targets))]
    assert list(tmp_path.iterdir()) == []


def test_a_post_request_is_redirected_only_with_its_body(named: WebServer, inside: WebServer, tmp_path: Path) -> None:
    files, body = files_of(named), b'{"token": 2}'
    for status in (307, 308):
        named.answers["/data/page"] = Answer(b"", status, {"Location": "a.bin"})
        files.fetch(f"{named.url}/data/page", tmp_path / "x", MEGABYTE, body=body)
    assert [posted for posted in named.posted if posted[0] == "/data/a.bin"] == [("/data/a.bin", "application/json", body)] * 2
    named.answers["/data/page"] = Answer(b"", 302, {"Location": "a.bin"})
    with pytest.raises(Unfetchable, match="answered 302"):
        files.fetch(f"{named.url}/data/page", tmp_path / "y", MEGABYTE, body=body)
    named.answers["/data/page"] = Answer(b"", 307, {"Location": f"{inside.url}/data/secret"})
    for url in (f"{inside.url}/data/secret", f"{named.url}/data/page"):
        with pytest.raises(Forbidden, match="DYAD_READ_ROOTS"):
            files.fetch(url, tmp_path / "y", MEGABYTE, body=body)


def test_redirects_within_what_is_named_are_followed_a_few_times(named: WebServer, tmp_path: Path) -> None:
    named.answers["/data/here"] = Answer(b"", 302, {"Location": "a.bin?signature=1"})
    named.answers["/data/a.bin?signature=1"] = Answer(b"signed")
    named.answers["/data/loop"] = Answer(b"", 302, {"Location": "loop"})
    files_of(named).fetch(f"{named.url}/data/here", tmp_path / "x", MEGABYTE)
    assert (tmp_path / "x").read_bytes() == b"signed"
    with pytest.raises(Unfetchable, match="more than 5 redirects"):
        files_of(named).fetch(f"{named.url}/data/loop", tmp_path / "y", MEGABYTE)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "0.0.0.0", "::", "fe80::1%1", "rubbish"])
def test_a_named_host_that_leads_inside_is_not_asked(address: str, inside: WebServer, tmp_path: Path) -> None:
    url = f"http://data.example.com:{inside.port}/data/secret"
    files = HttpFiles([f"http://data.example.com:{inside.port}/data/"], lookup=lambda host, port: [address])
    with pytest.raises(Forbidden, match=r"data\.example\.com resolves to .*DYAD_READ_NETWORKS"):
        files.fetch(files.check(url), tmp_path / "x", MEGABYTE)


def test_one_address_inside_spoils_the_others(inside: WebServer, tmp_path: Path) -> None:
    files = HttpFiles([f"http://h:{inside.port}/"], lookup=lambda host, port: ["192.88.99.77", "127.0.0.1"])
    with pytest.raises(Forbidden):
        files.fetch(f"http://h:{inside.port}/secret", tmp_path / "x", MEGABYTE)


def test_localhost_is_a_name_like_any_other(inside: WebServer, tmp_path: Path) -> None:
    files = HttpFiles([f"http://localhost:{inside.port}/"])
    with pytest.raises(Forbidden, match="DYAD_READ_NETWORKS"):
        files.fetch(f"http://localhost:{inside.port}/secret", tmp_path / "x", MEGABYTE)


def test_a_network_that_is_named_may_be_reached(named: WebServer, tmp_path: Path) -> None:
    prefix = f"http://store.example:{named.port}/data/"
    files = HttpFiles([prefix], ["127.0.0.0/8"], lookup=lambda host, port: ["127.0.0.1"])
    files.fetch(f"{prefix}a.bin", tmp_path / "x", MEGABYTE)
    assert named.asked == [("GET", "/data/a.bin", f"store.example:{named.port}")]


def test_an_address_of_ipv6_is_reached_where_it_is_named(tmp_path: Path) -> None:
    with web_server({"/a": b"six"}, host="::1") as server:
        HttpFiles([server.url]).fetch(f"{server.url}/a", tmp_path / "x", MEGABYTE)
    assert (tmp_path / "x").read_bytes() == b"six"


def test_the_address_that_was_checked_is_the_one_that_is_reached(tmp_path: Path) -> None:
    """DNS rebinding: the second answer of the name server is an internal address; the name is resolved once per fetch."""
    with (
        web_server({"/a": b"permitted"}, host="127.0.0.2") as permitted,
        web_server({"/a": b"inside"}, host="127.0.0.3", port=permitted.port) as behind,
    ):
        asked: list[str] = []

        def lookup(host: str, port: int) -> list[str]:
            asked.append(host)
            return ["127.0.0.2"] if len(asked) == 1 else ["127.0.0.3"]

        files = HttpFiles([f"http://rebinding.example:{permitted.port}/"], ["127.0.0.2/32"], lookup)
        url = f"http://rebinding.example:{permitted.port}/a"
        files.fetch(url, tmp_path / "x", MEGABYTE)
        assert (tmp_path / "x").read_bytes() == b"permitted"
        assert asked == ["rebinding.example"]
        with pytest.raises(Forbidden, match="not public") as refused:
            files.fetch(url, tmp_path / "y", MEGABYTE)
        assert "127.0.0.3" not in str(refused.value)
        assert behind.asked == []


@dataclass
class Proxy:
    """A running HTTP proxy. connections: how many were opened to it so far."""

    url: str
    connections: int = 0


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    """A proxy that forwards plain GET requests and counts every connection, of whatever method."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            forwarded = httpx.get(self.path, trust_env=False)
            self.send_response(forwarded.status_code)
            self.send_header("Content-Length", str(len(forwarded.content)))
            self.end_headers()
            self.wfile.write(forwarded.content)

        def log_message(self, *_: Any) -> None:
            """Log nothing."""

    class Server(ThreadingHTTPServer):
        def process_request(self, request: Any, client_address: Any) -> None:
            running.connections += 1
            super().process_request(request, client_address)

    server = Server(("127.0.0.1", 0), Handler)
    running = Proxy(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="proxy")
    thread.start()
    yield running
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_proxy_of_the_environment_is_not_used(
    named: WebServer, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.url)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    files_of(named).fetch(f"{named.url}/data/a.bin", tmp_path / "x", MEGABYTE)
    assert (tmp_path / "x").read_bytes() == b"a" * 1000
    assert proxy.connections == 0
    assert named.asked == [("GET", "/data/a.bin", f"127.0.0.1:{named.port}")]
    assert httpx.get(f"{named.url}/data/a.bin").content == b"a" * 1000, "a client that obeys the environment"
    assert proxy.connections == 1


def test_more_than_the_limit_is_refused_said_or_not(named: WebServer, tmp_path: Path) -> None:
    for number, headers in enumerate(({}, {"Transfer-Encoding": "chunked"})):
        body = b"a" * 2000 if not headers else b"7d0\r\n" + b"a" * 2000 + b"\r\n0\r\n\r\n"
        named.answers[f"/data/{number}"] = Answer(body, headers=headers)
        with pytest.raises(TooLarge, match="DYAD_MAX_UPLOAD_MB"):
            files_of(named).fetch(f"{named.url}/data/{number}", tmp_path / "x", 1999)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_had_is_told(named: WebServer, tmp_path: Path) -> None:
    named.answers["/data/short"] = Answer(b"abc", headers={"Content-Length": "10"})
    named.answers["/data/packed"] = Answer(b"abc", headers={"Content-Encoding": "gzip"})
    for path, reason in (
        ("/data/none", "answered 404"),
        ("/data/short", "missing or incomplete"),
        ("/data/packed", "compressed as gzip"),
    ):
        with pytest.raises(Unfetchable, match=reason):
            files_of(named).fetch(named.url + path, tmp_path / "x", MEGABYTE)
    with pytest.raises(Unfetchable, match="cannot be resolved"):
        HttpFiles(["http://no.such.invalid/"]).fetch("http://no.such.invalid/x", tmp_path / "x", MEGABYTE)
    with web_server({}) as gone:
        pass
    with pytest.raises(Unfetchable, match="missing or incomplete"):
        HttpFiles([gone.url]).fetch(f"{gone.url}/x", tmp_path / "x", MEGABYTE)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1", True),
        ("10.0.0.1", False),
        ("100.64.0.1", False),
        ("169.254.169.254", False),
        ("198.18.0.1", False),
        ("224.0.0.1", False),
        ("::7f00:1", False),
        ("::ffff:10.0.0.1", False),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::808:808", True),
        ("2002:7f00:1::", False),
        ("2001:0:7f00:1::f5ff:fffe", False),
        ("fd00::1", False),
        ("ff02::1", False),
    ],
)
def test_public_is_what_leads_nowhere_inside(address: str, expected: bool) -> None:
    assert is_public(ip_address(address)) == expected
