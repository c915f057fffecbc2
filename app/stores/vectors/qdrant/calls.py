"""Calls to a Qdrant server: retried while it is unavailable, with the client's errors converted to those of Dyad."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import grpc
from httpx import TransportError
from qdrant_client.common.client_exceptions import QdrantException, ResourceExhaustedResponse
from qdrant_client.http.exceptions import ApiException, ResponseHandlingException, UnexpectedResponse

from app.errors import Conflict, DyadError, NotFound, OutOfSpace, Unavailable
from app.ports.wait_limit import wait_limit

log = logging.getLogger(__name__)

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 2.0
_DISK_FULL = "No space left"
_AWAY = "vector store does not answer ({}); check DYAD_VECTORS_URL and that the server is running"
_STATUS = {
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
}

P = ParamSpec("P")
T = TypeVar("T")


class Calls:
    """Calls the client's methods with retries. Every call that Dyad makes is safe to repeat.

    patience: seconds to retry while the server is unavailable; less in requests (`app.ports.wait_limit`).
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience

    def __call__(self, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a method of the client.

        Raises:
            NotFound, Conflict: the server's answer. OutOfSpace: its disk is full. Unavailable: it does not answer, or refuses.
        """
        started, pause = time.monotonic(), FIRST_PAUSE
        while True:
            try:
                return call(*args, **kwargs)
            except (QdrantException, ApiException, grpc.RpcError) as error:
                ours, passes = _translated(error)
                if not passes or time.monotonic() - started + pause > wait_limit(self._patience):
                    raise ours from (error if isinstance(ours, Unavailable) else None)
                log.warning("%s; retrying", ours)
            time.sleep(pause * random.uniform(0.5, 1))
            pause = min(2 * pause, LONGEST_PAUSE)


def _translated(error: Exception) -> tuple[DyadError, bool]:
    """The error to raise, and whether a retry may succeed."""
    if isinstance(error, UnexpectedResponse):
        return _of_status(error.status_code or 500, error.content.decode("utf-8", "replace")[:300])
    if isinstance(error, ResponseHandlingException):
        return Unavailable(_AWAY.format(error)), isinstance(error.source, TransportError)
    if isinstance(error, ResourceExhaustedResponse):
        return Unavailable(f"vector store: too many requests ({error})"), True
    if isinstance(error, grpc.Call):
        code, details = error.code(), str(error.details())[:300]
        if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
            return Unavailable(_AWAY.format(details)), True
        return _of_status(_STATUS.get(code, 500), details)
    return Unavailable(f"vector store: {error}"), False


def _of_status(status: int, text: str) -> tuple[DyadError, bool]:
    if status == 404:
        return NotFound(f"vector store: {text}"), False
    if status == 409:
        return Conflict(f"vector store: {text}"), False
    if status in (401, 403):
        return Unavailable(f"vector store: it requires a valid API key ({text}); set DYAD_QDRANT_API_KEY"), False
    kind = OutOfSpace if _DISK_FULL in text else Unavailable
    return kind(f"vector store answered {status}: {text}"), status >= 429 and kind is Unavailable
