"""Where work comes from: the request that asked for it, carried into its job and into all that is logged of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Origin:
    """request_id: of the request. job_id: of the job that is being run. traceparent: of its trace, as W3C has it."""

    request_id: str | None = None
    job_id: str | None = None
    traceparent: str | None = None


_NOBODY = Origin()
_current: ContextVar[Origin] = ContextVar("dyad_origin", default=_NOBODY)


def origin() -> Origin:
    """Where the work at hand comes from."""
    return _current.get()


@contextmanager
def coming_from(**changes: str | None) -> Iterator[None]:
    """Change fields of the origin for a block."""
    token = _current.set(replace(_current.get(), **changes))
    try:
        yield
    finally:
        _current.reset(token)


def carried() -> dict[str, str]:
    """What a job that is made now takes along."""
    now = _current.get()
    taken: Mapping[str, str | None] = {"request_id": now.request_id, "traceparent": now.traceparent}
    return {name: value for name, value in taken.items() if value is not None}
