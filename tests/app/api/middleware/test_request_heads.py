"""Heads of requests that never end are refused before they use much memory or time."""

from __future__ import annotations

import json
import socket
import time

import pytest

from app.api.middleware import request_heads
from app.api.middleware.request_heads import MAX_HEAD
from tests.support.service import Service

GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"


def connected(service: Service) -> socket.socket:
    return socket.create_connection(("127.0.0.1", service.client.base_url.port or 0), timeout=30)


def answers(connection: socket.socket) -> bytes:
    """All that comes until the service hangs up."""
    found = b""
    try:
        while piece := connection.recv(65_536):
            found += piece
    except ConnectionResetError:
        pass  # it hung up on what was still on its way
    return found


@pytest.mark.parametrize("start", [b"GET /", GET + b"X-A: ", GET + b"X-A"], ids=["address", "value", "name"])
def test_a_head_without_an_end_is_refused(service: Service, start: bytes) -> None:
    with connected(service) as connection:
        connection.sendall(start + b"a" * (2 * MAX_HEAD + 1))
        head, _, body = answers(connection).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 431 ")
    assert json.loads(body)["status"] == 431


def test_many_small_headers_are_refused(service: Service) -> None:
    with connected(service) as connection:
        connection.sendall(GET + b"".join(b"X-%d: a\r\n" % number for number in range(15_000)))
        assert answers(connection).startswith(b"HTTP/1.1 431 ")


def test_what_fits_passes_again_and_again_and_in_small_pieces(service: Service) -> None:
    large = GET + b"X-A: " + b"a" * (MAX_HEAD - 200) + b"\r\n\r\n"
    with connected(service) as connection:
        connection.sendall(large + large)
        for number in range(0, len(GET), 10):
            connection.sendall(GET[number : number + 10])
        connection.sendall(b"Connection: close\r\n\r\n")
        assert answers(connection).count(b"HTTP/1.1 200 ") == 3


def test_a_body_counts_for_no_head(service: Service) -> None:
    body = b" " * (5 * MAX_HEAD)
    post = b"POST /collections HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    with connected(service) as connection:
        connection.sendall(post % len(body) + body + GET)
        connection.sendall(b"Connection: close\r\n\r\n")
        found = answers(connection)
    assert found.count(b"HTTP/1.1 422 ") == found.count(b"HTTP/1.1 200 ") == 1


def test_who_does_not_finish_is_hung_up_on(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_heads, "HEAD_SECONDS", 0.05)
    for start in (b"", b"GET /healthz HT", GET):
        with connected(service) as connection:
            connection.sendall(start)
            assert answers(connection) == b""


def test_an_idle_connection_outlives_what_clients_keep(service: Service) -> None:
    with connected(service) as connection:
        for pause in (5.5, 0):  # httpx, for one, keeps an idle connection for 5 s
            connection.sendall(GET + b"\r\n")
            assert connection.recv(65_536).startswith(b"HTTP/1.1 200")
            time.sleep(pause)
