"""Bodies that stall, and clients that disconnect: nothing of them remains, and other clients are answered."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import httpx
import pytest
import uvicorn
from uvicorn.server import ServerState

from app.api.middleware import body_rate, request_heads
from app.api.middleware.request_heads import PatientProtocol, limited_protocol
from tests.support.pictures import striped
from tests.support.service import Service, document

BOUNDARY = b"Content-Type: multipart/form-data; boundary=b\r\n"
PART = b'--b\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
CLIENTS = 200


@contextmanager
def connected(service: Service) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", service.client.base_url.port or 0), timeout=60) as connection:
        yield connection


def upload_head(collection: str, size: int = 1_000_000) -> bytes:
    address = b"POST /collections/%s/items HTTP/1.1\r\nHost: localhost\r\n" % collection.encode()
    return address + BOUNDARY + b"Content-Length: %d\r\n\r\n" % size


def all_of(connection: socket.socket) -> bytes:
    found = b""
    while piece := connection.recv(65_536):
        found += piece
    return found


def test_stalled_uploads_end_while_searches_are_answered(
    service: Service, fresh: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = fresh(model="hog", tile_size=64)
    item = service.upload(name, {"1.png": striped(30, size=64), "2.png": striped(60, size=64)})["item_ids"][0]
    monkeypatch.setattr(body_rate, "SLOW_SECONDS", 10.0)
    longest = 0.0
    with ExitStack() as stack:
        stalled = [stack.enter_context(connected(service)) for _ in range(CLIENTS)]
        for connection in stalled:
            connection.sendall(upload_head(name) + PART + b"x" * 1000)
        for _ in range(20):
            begun = time.monotonic()
            assert service.client.get(f"/collections/{name}/search", params={"item": item}).status_code == 200
            longest = max(longest, time.monotonic() - begun)
        for connection in stalled:
            head, _, body = all_of(connection).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 408 ") and b"connection: close" in head.lower()
            assert "of the request body arrived in" in json.loads(body)["detail"]
    assert longest < 5
    assert service.staged() == []


@pytest.mark.parametrize("path", ["/collections", "/collections/none/search", "/models"])
def test_a_body_that_trickles_is_refused(service: Service, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setattr(body_rate, "SLOW_SECONDS", 0.3)
    head = b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
    with connected(service) as connection:
        connection.sendall(head % path.encode())
        try:
            for _ in range(40):
                connection.sendall(b" ")
                time.sleep(0.05)
        except OSError:
            pass
        assert connection.recv(65_536).startswith(b"HTTP/1.1 408 ")
    assert service.staged() == []


def test_a_steady_body_may_take_longer(service: Service, fresh: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    name = fresh(model="hog", tile_size=64)
    monkeypatch.setattr(body_rate, "SLOW_SECONDS", 0.5)
    body = PART + striped(30, size=64) + b"\r\n--b--\r\n" + b" " * 300_000
    with connected(service) as connection:
        connection.sendall(upload_head(name, len(body)))
        for start in range(0, len(body), 40_000):
            connection.sendall(body[start : start + 40_000])
            time.sleep(0.15)
        assert connection.recv(65_536).startswith(b"HTTP/1.1 201 ")


@pytest.mark.parametrize(("path", "status"), [("/collections/none/items", 404), ("/nowhere", 413)])
def test_a_refusal_closes_the_connection_and_is_read(service: Service, path: str, status: int) -> None:
    with connected(service) as connection:
        connection.sendall(b"POST %s HTTP/1.1\r\nHost: localhost\r\n" % path.encode() + BOUNDARY)
        connection.sendall(b"Content-Length: 100000000\r\n\r\n" + b"x" * 3_000_000)
        found = all_of(connection)
    assert found.startswith(b"HTTP/1.1 %d " % status) and b"connection: close" in found.lower()
    answer = httpx.post(f"{service.client.base_url}{path}", files={"files": ("a.png", b"x" * 30_000_000)})
    assert answer.status_code == status


def test_a_refused_client_that_goes_on_sending_is_cut_off(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_heads, "LINGER_SECONDS", 0.2)
    with connected(service) as connection:
        connection.sendall(upload_head("none"))
        deadline = time.monotonic() + 10
        with pytest.raises(OSError, match=r"reset|[Bb]roken pipe"):
            while time.monotonic() < deadline:
                connection.sendall(b"x")
                time.sleep(0.05)


@pytest.mark.parametrize("path", ["items", "search"])
def test_a_client_that_disconnects_is_no_error(
    service: Service, fresh: Callable[..., str], caplog: pytest.LogCaptureFixture, path: str
) -> None:
    name = fresh(model="hog", tile_size=64)
    route = f"/collections/{{collection_id}}/{path}"
    counted = f'method="POST",route="{route}",status='
    failed = [line for line in _metrics(service) if f'{counted}"5' in line]
    with caplog.at_level(logging.WARNING), connected(service) as connection:
        connection.sendall(upload_head(name).replace(b"/items", f"/{path}".encode()) + PART.replace(b"files", b"image"))
        time.sleep(0.3)
    deadline = time.monotonic() + 10
    while not any(f'{counted}"499"' in line for line in _metrics(service)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert any(f'{counted}"499"' in line for line in _metrics(service)) or path == "items"
    assert [line for line in _metrics(service) if f'{counted}"5' in line] == failed
    assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert service.staged() == []


def test_a_json_body_that_ends_early_is_no_error(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    counted = 'method="POST",route="/collections",status="499"'
    with caplog.at_level(logging.WARNING), connected(service) as connection:
        connection.sendall(b"POST /collections HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n")
        connection.sendall(b'Content-Length: 1000\r\n\r\n{"id"')
        time.sleep(0.2)
    deadline = time.monotonic() + 10
    while not any(counted in line for line in _metrics(service)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert any(counted in line for line in _metrics(service))
    assert caplog.records == []


def _metrics(service: Service) -> list[str]:
    return [line for line in service.client.get("/metrics").text.splitlines() if line.startswith("dyad_requests_total")]


def test_the_connection_that_waits_longest_gives_way(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_heads, "most_connections", lambda: 8)
    with ExitStack() as stack:
        connections = []
        for number in range(20):
            connection = stack.enter_context(connected(service))
            connection.sendall(upload_head("none") if number % 2 else b"GET / HT")
            connections.append(connection)
            time.sleep(0.01)
        assert document(service.client.get("/healthz"))["status"] == "ok"
        connections[0].settimeout(5)
        assert connections[0].recv(100) == b""


class _Transport:
    """A transport that remembers what is done to it."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.written = b""
        self.is_closed = False

    def get_extra_info(self, name: str) -> object:
        return (self.address, 1) if name == "peername" else None

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed


@pytest.fixture
def connect() -> Iterator[Callable[..., Callable[[str], tuple[PatientProtocol, _Transport]]]]:
    """A function that returns a function that opens connections to a server with a limit for each client."""
    loop = asyncio.new_event_loop()

    def limited(most: int) -> Callable[[str], tuple[PatientProtocol, _Transport]]:
        kind, state = limited_protocol(most), ServerState()
        config = uvicorn.Config(lambda: None, log_config=None)
        config.load()

        def open_one(address: str) -> tuple[PatientProtocol, _Transport]:
            protocol, transport = kind(config, state, {}, loop), _Transport(address)
            protocol.connection_made(transport)  # type: ignore[arg-type]
            return protocol, transport

        return open_one

    yield limited
    loop.close()


def test_a_client_has_a_limited_number_of_connections(
    connect: Callable[..., Callable[[str], tuple[PatientProtocol, _Transport]]],
) -> None:
    opened = connect(3)
    mine = [opened("192.0.2.1")[1] for _ in range(3)]
    other, local = opened("192.0.2.2")[1], [opened("127.0.0.1")[1] for _ in range(10)]
    assert not any(each.is_closed for each in [*mine, other, *local])
    newest = opened("192.0.2.1")[1]
    assert [each.is_closed for each in mine] == [True, False, False]
    assert not newest.is_closed and not other.is_closed


def test_a_client_whose_connections_are_all_busy_gets_503(
    connect: Callable[..., Callable[[str], tuple[PatientProtocol, _Transport]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = connect(2)
    busy = [opened("192.0.2.1")[1] for _ in range(2)]
    monkeypatch.setattr(PatientProtocol, "is_waiting", property(lambda _: False))
    refused = opened("192.0.2.1")[1]
    assert refused.is_closed and refused.written.startswith(b"HTTP/1.1 503 ")
    assert not any(each.is_closed for each in busy)
    assert not opened("192.0.2.2")[1].is_closed
