"""The client of the commands with answers of services that are busy, unreachable or not of Dyad."""

from __future__ import annotations

import socket
import time

import httpx
import pytest

from app.cli.client.client import Client
from app.errors import DyadError, NotFound, Unauthenticated, Unavailable
from tests.support.command import dyad_command

URL = "http://dyad.example"


def client(*answers: httpx.Response) -> Client:
    left = list(answers)
    return Client(URL, transport=httpx.MockTransport(lambda request: left.pop(0)))


def test_a_busy_service_is_tried_again_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    busy = httpx.Response(429, headers={"Retry-After": "1"})
    with client(busy, httpx.Response(200, json={"models": []})) as dyad:
        assert dyad.models() == []
    assert capsys.readouterr().err == f"{URL} is busy or unavailable; trying again in 1 s\n"
    with client(*[httpx.Response(503, json={"detail": "the disk is full"})] * 3) as dyad, pytest.raises(Unavailable) as refused:
        dyad.models()
    assert str(refused.value) == "the disk is full"


def test_refusals_are_domain_errors() -> None:
    for status, kind, message in (
        (404, NotFound, "no collection 'a'"),
        (401, Unauthenticated, "no collection 'a' (commands take it from DYAD_API_KEY)"),
        (418, DyadError, "no collection 'a'"),
    ):
        with client(httpx.Response(status, json={"detail": "no collection 'a'"})) as dyad, pytest.raises(kind) as refused:
            dyad.collection("a")
        assert str(refused.value) == message
    with client(httpx.Response(200, text="<html>")) as dyad, pytest.raises(DyadError) as refused:
        dyad.collections()
    assert str(refused.value) == f"{URL} answered 200 to GET /collections; check that it is a Dyad service"


def test_an_unreachable_service_is_reported_at_once() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        started = time.monotonic()
        ran = dyad_command("collections", "list", "--url", url)
        assert time.monotonic() - started < 10
    assert (ran.code, ran.out, len(ran.err_lines)) == (1, "", 1)
    assert f"no answer from {url}" in ran.err


def test_a_failed_job_is_a_domain_error() -> None:
    job = {"id": "j", "status": "failed", "message": "out of memory", "progress": 5, "links": []}
    with client(httpx.Response(200, json=job)) as dyad, pytest.raises(DyadError, match=r"^job j failed: out of memory$"):
        dyad.follow("j", lambda percent, message: None)
