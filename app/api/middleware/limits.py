"""How much one client may ask for: requests in a time, and bytes in a body."""

from __future__ import annotations

import logging
import math
import re
import time
from typing import Any

from limits import RateLimitItem, parse_many
from limits.aio.storage import MemoryStorage, RedisStorage, Storage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from limits.errors import StorageError
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.middleware.access import needed_role
from app.api.problems import problem
from app.api.uploads import MEGABYTE

log = logging.getLogger(__name__)

REDIS_SECONDS = 0.5
MAX_JSON = 8 * MEGABYTE
_FILES = re.compile(r"/models|/collections/[^/]+/(items|labels|search)")
"""Where files are sent: these bodies are streamed, and their routes know their own limit."""


class RateLimitMiddleware:
    """Answers 429 to a key, or to an address without one, that asks too often. What is open to everybody is not counted.

    rates: `100/second`, or several, separated by `;`. broker_url: the Redis in which all processes count together; empty: this
    one counts alone. A Redis that does not answer limits nobody.
    """

    def __init__(self, app: ASGIApp, rates: str, broker_url: str = "") -> None:
        self._app = app
        self._rates = parse_many(rates)
        self._pool = _connections(broker_url) if broker_url else None
        self._limiter = SlidingWindowCounterRateLimiter(_storage(broker_url, self._pool))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it; at the end of the service, let go of Redis."""
        if scope["type"] == "lifespan":
            try:
                await self._app(scope, receive, send)
            finally:
                await self.close()
            return
        if scope["type"] == "http" and needed_role(scope["method"], scope["path"]) is not None:
            for rate in self._rates:
                wait = await self._wait(rate, _client(scope))
                if wait is not None:
                    detail = f"more than {rate.amount} requests in {_period(rate)}; ask again in {wait} s"
                    await problem(429, detail, headers={"Retry-After": str(wait)})(scope, receive, send)
                    return
        await self._app(scope, receive, send)

    async def close(self) -> None:
        """Let go of Redis."""
        if self._pool is not None:
            await self._pool.aclose()

    async def _wait(self, rate: RateLimitItem, client: str) -> int | None:
        """Count a request; the seconds to wait if it is one too many."""
        try:
            if await self._limiter.hit(rate, client):
                return None
            stats = await self._limiter.get_window_stats(rate, client)
        except StorageError as error:
            log.warning("requests are not counted: %s", error.storage_error)
            return None
        return max(1, math.ceil(stats.reset_time - time.time()))


def _storage(broker_url: str, pool: Any) -> Storage:
    if pool is None:
        return MemoryStorage()
    return RedisStorage(
        f"async+{broker_url}", implementation="redispy", wrap_exceptions=True, key_prefix="dyad:rate", connection_pool=pool
    )


def _connections(broker_url: str) -> Any:
    """Connections of a Redis that no request waits for long."""
    from redis.asyncio import ConnectionPool  # only a cluster has it installed

    return ConnectionPool.from_url(broker_url, socket_timeout=REDIS_SECONDS, socket_connect_timeout=REDIS_SECONDS)


def _period(rate: RateLimitItem) -> str:
    seconds = rate.get_expiry()
    return f"{seconds} s" if seconds > 1 else "a second"


def _client(scope: Scope) -> str:
    key = scope.get("state", {}).get("key")
    address = scope.get("client") or ("nobody", 0)
    return f"key/{key.name}" if key is not None else f"address/{address[0]}"


class BodyLimitMiddleware:
    """Answers 413 to a body that is no file and larger than `MAX_JSON`, before it is held in memory."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and count what it brings."""
        if scope["type"] != "http" or _brings_files(scope):
            await self._app(scope, receive, send)
            return
        length = Headers(scope=scope).get("content-length", "")
        if length.isdecimal() and int(length) > MAX_JSON:
            await problem(413, _TOO_LARGE)(scope, receive, send)
            return
        received = 0

        async def count() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > MAX_JSON:
                raise HTTPException(413, _TOO_LARGE)
            return message

        await self._app(scope, count, send)


_TOO_LARGE = f"the body is larger than {MAX_JSON // MEGABYTE} MB"


def _brings_files(scope: Scope) -> bool:
    is_json = Headers(scope=scope).get("content-type", "").partition(";")[0].strip().lower() == "application/json"
    return not is_json and _FILES.fullmatch(scope["path"]) is not None
