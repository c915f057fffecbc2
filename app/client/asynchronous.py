"""The client for asyncio."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx

from app.client import transport
from app.client.core import Call, Download, Pause, Steps
from app.client.operations import Operations

T = TypeVar("T")


class AsyncDyad(Operations):
    """A client of a service for asyncio: the operations of `Dyad`, awaited.

    url: of the service. key: an API key. retries: of requests that may be repeated, while the service is busy or unavailable.
    options: further arguments of the httpx client.
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
        self._http = httpx.AsyncClient(**transport.options(url, key, seconds), **options)
        self._retries = transport.Retries(retries)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def run(self, steps: Steps[T], /) -> T:
        """Run an operation of `app.client.core` to its end."""
        answer = None
        try:
            while True:
                step = steps.send(answer)
                answer = None
                if isinstance(step, Pause):
                    await asyncio.sleep(step.seconds)
                elif isinstance(step, Call):
                    answer = transport.read(await self._repeat(step.is_safe, self._send, step))
                else:
                    answer = transport.read(await self._repeat(True, self._download, step))
        except StopIteration as end:
            value: T = end.value
            return value
        finally:
            steps.close()

    async def _repeat(
        self, is_safe: bool, send: Callable[[Any], Awaitable[httpx.Response]], step: Call | Download
    ) -> httpx.Response:
        number = 0
        while True:
            started = time.monotonic()
            outcome: httpx.Response | httpx.TransportError
            try:
                outcome = await send(step)
            except httpx.TransportError as error:
                outcome = error
            pause = self._retries.pause(number, is_safe, outcome, time.monotonic() - started)
            if pause is None:
                if isinstance(outcome, httpx.Response):
                    return outcome
                raise outcome
            await asyncio.sleep(pause)
            number += 1

    async def _send(self, call: Call) -> httpx.Response:
        content = {} if call.file is None else {"content": _read_pieces(call.file)}
        options = {**call.options, "headers": transport.headers_of(call), **content}
        return await self._http.request(call.method, call.path, **options)

    async def _download(self, step: Download) -> httpx.Response:
        async with self._http.stream("GET", step.path, params=step.params) as answer:
            if not answer.is_success:
                await answer.aread()
                return answer
            converter = transport.Converter(step)
            with transport.opened_target(step) as file:
                async for piece in answer.aiter_bytes():
                    file.write(converter.convert(piece))
                file.write(converter.end())
        return httpx.Response(answer.status_code)


async def _read_pieces(file: Path) -> AsyncIterator[bytes]:
    for piece in transport.read_pieces(file):
        yield piece
