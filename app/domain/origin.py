"""The origin of work: ids of the request, job and trace, passed to jobs and to log records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Origin:
    """Ids of the current work. job_id: of the job that runs. traceparent: of the trace (W3C Trace Context)."""

    request_id: str | None = None
    job_id: str | None = None
    traceparent: str | None = None


_NONE = Origin()
_current: ContextVar[Origin] = ContextVar("dyad_origin", default=_NONE)


def origin() -> Origin:
    """The origin of the current work."""
    return _current.get()


@contextmanager
def coming_from(**changes: str | None) -> Iterator[None]:
    """Set fields of the origin within the block."""
    token = _current.set(replace(_current.get(), **changes))
    try:
        yield
    finally:
        _current.reset(token)


def carried() -> dict[str, str]:
    """The fields of the current origin that a new job stores."""
    now = _current.get()
    taken: Mapping[str, str | None] = {"request_id": now.request_id, "traceparent": now.traceparent}
    return {name: value for name, value in taken.items() if value is not None}
