"""A client of Dyad for programs and notebooks: `from app.client import Dyad`. docs/client.md is its tutorial.

The clients are imported when they are first used: the command line, which imports this package, starts without httpx.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from app.client.errors import ApiError, JobFailed
from app.client.results import Result, Results

if TYPE_CHECKING:
    from app.client.asynchronous import AsyncDyad
    from app.client.synchronous import Dyad

__all__ = ["ApiError", "AsyncDyad", "Dyad", "JobFailed", "Result", "Results"]

_CLIENTS = {"AsyncDyad": "app.client.asynchronous", "Dyad": "app.client.synchronous"}


def __getattr__(name: str) -> Any:
    if name not in _CLIENTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_CLIENTS[name]), name)
