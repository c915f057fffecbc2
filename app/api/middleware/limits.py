"""Limits for one client: requests per time, and bytes of a request body."""

from __future__ import annotations

import logging
import math
import time
from typing import Any

from limits import RateLimitItem, parse_many
from limits.aio.storage import MemoryStorage, RedisStorage, Storage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from limits.errors import StorageError
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.access import AccessRule
from app.api.problems import problem
from app.api.uploads import MEGABYTE

log = logging.getLogger(__name__)

REDIS_SECONDS = 0.5
MAX_JSON = 8 * MEGABYTE


class RateLimitMiddleware:
    """Answers 429 when a key, or an IP address without a key, exceeds a rate. Public routes are not counted.

    rates: `100/second`, or several, separated by `;`. broker_url: a Redis that holds the counts of all processes; empty: this
    process counts alone. While Redis does not answer, no limit applies.
    """

    def __init__(self, app: ASGIApp, rates: str, broker_url: str = "") -> None:
        self._app = app
        self._rates = parse_many(rates)
        self._pool = _connections(broker_url) if broker_url else None
        self._limiter = SlidingWindowCounterRateLimiter(_storage(broker_url, self._pool))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on or answer 429; close the Redis connections at shutdown."""
        if scope["type"] == "lifespan":
            try:
                await self._app(scope, receive, send)
            finally:
                await self.close()
            return
        if scope["type"] == "http" and not _is_public(scope):
            for rate in self._rates:
                wait = await self._wait(rate, _client(scope))
                if wait is not None:
                    detail = f"more than {rate.amount} requests in {_period(rate)}; retry in {wait} s"
                    await problem(429, detail, headers={"Retry-After": str(wait)})(scope, receive, send)
                    return
        await self._app(scope, receive, send)

    async def close(self) -> None:
        """Close the Redis connections."""
        if self._pool is not None:
            await self._pool.aclose()

    async def _wait(self, rate: RateLimitItem, client: str) -> int | None:
        """Count a request; return the seconds to wait if it exceeds the rate, else None."""
        try:
            if await self._limiter.hit(rate, client):
                return None
            stats = await self._limiter.get_window_stats(rate, client)
        except StorageError as error:
            log.warning("rate limit is not applied: %s", error.storage_error)
            return None
        return max(1, math.ceil(stats.reset_time - time.time()))


def _storage(broker_url: str, pool: Any) -> Storage:
    if pool is None:
        return MemoryStorage()
    return RedisStorage(
        f"async+{broker_url}", implementation="redispy", wrap_exceptions=True, key_prefix="dyad:rate", connection_pool=pool
    )


def _connections(broker_url: str) -> Any:
    """A Redis connection pool with short timeouts."""
    from redis.asyncio import ConnectionPool  # installed by the extra `cluster` only

    return ConnectionPool.from_url(broker_url, socket_timeout=REDIS_SECONDS, socket_connect_timeout=REDIS_SECONDS)


def _period(rate: RateLimitItem) -> str:
    seconds = rate.get_expiry()
    return f"{seconds} s" if seconds > 1 else "1 s"


def _client(scope: Scope) -> str:
    key = scope.get("state", {}).get("key")
    address = scope.get("client") or ("unknown", 0)
    return f"key/{key.name}" if key is not None else f"address/{address[0]}"


def _rule(scope: Scope) -> AccessRule | None:
    """The rule that `AccessMiddleware` found."""
    rule: AccessRule | None = scope.get("state", {}).get("access")
    return rule


def _is_public(scope: Scope) -> bool:
    rule = _rule(scope)
    return rule is not None and rule.role is None


class BodyLimitMiddleware:
    """Answers 413 to a body of more than `MAX_JSON` bytes, before it is held in memory; routes that stream files are exempt.

    Neither Starlette nor Uvicorn limits the size of a body.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and count the bytes of its body."""
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


_TOO_LARGE = f"the request body is larger than {MAX_JSON // MEGABYTE} MB"


def _brings_files(scope: Scope) -> bool:
    is_json = Headers(scope=scope).get("content-type", "").partition(";")[0].strip().lower() == "application/json"
    rule = _rule(scope)
    return not is_json and rule is not None and rule.streams_body
