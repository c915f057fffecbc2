"""The client that waits for each answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Self, TypeVar

import httpx

from app.client import transport
from app.client.core import Call, Download, Pause, Steps
from app.client.operations import Operations

T = TypeVar("T")


class Dyad(Operations):
    """A client of a service, for programs and notebooks.

    url: of the service. key: an API key. retries: of requests that may be repeated, while the service is busy or unavailable.
    options: further arguments of the httpx client, such as `transport`.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        key: str | None = None,
        *,
        retries: int = 3,
        seconds: float = transport.SECONDS,
        **options: Any,
    ) -> None:
        self._http = httpx.Client(**transport.options(url, key, seconds), **options)
        self._retries = transport.Retries(retries)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def run(self, steps: Steps[T], /) -> T:
        """Run an operation of `app.client.core` to its end."""
        answer = None
        try:
            while True:
                step = steps.send(answer)
                answer = None
                if isinstance(step, Pause):
                    time.sleep(step.seconds)
                elif isinstance(step, Call):
                    answer = transport.read(self._repeat(step.is_safe, self._send, step))
                else:
                    answer = transport.read(self._repeat(True, self._download, step))
        except StopIteration as end:
            value: T = end.value
            return value
        finally:
            steps.close()

    def _repeat(self, is_safe: bool, send: Callable[[Any], httpx.Response], step: Call | Download) -> httpx.Response:
        number = 0
        while True:
            started = time.monotonic()
            outcome: httpx.Response | httpx.TransportError
            try:
                outcome = send(step)
            except httpx.TransportError as error:
                outcome = error
            pause = self._retries.pause(number, is_safe, outcome, time.monotonic() - started)
            if pause is None:
                if isinstance(outcome, httpx.Response):
                    return outcome
                raise outcome
            self._wait_to_retry(pause)
            number += 1

    def _wait_to_retry(self, seconds: float) -> None:
        time.sleep(seconds)

    def _send(self, call: Call) -> httpx.Response:
        content = {} if call.file is None else {"content": transport.read_pieces(call.file)}
        return self._http.request(call.method, call.path, **{**call.options, "headers": transport.headers_of(call), **content})

    def _download(self, step: Download) -> httpx.Response:
        with self._http.stream("GET", step.path, params=step.params) as answer:
            if not answer.is_success:
                answer.read()
                return answer
            converter = transport.Converter(step)
            with transport.opened_target(step) as file:
                for piece in answer.iter_bytes():
                    file.write(converter.convert(piece))
                file.write(converter.end())
        return httpx.Response(answer.status_code)
