"""Domain errors. A message says what is wrong and what to do next. `app.api.problems` maps errors to HTTP statuses.

::

    DyadError
    ├── InvalidInput              parameters contradict each other or are not valid
    │   ├── ModelMismatch         a model does not fit a collection (bands, dimension)
    │   └── Unfetchable           a file on another server that cannot be fetched
    │       └── NotThere          that server has no such file
    ├── Unprocessable             well-formed but not valid against the schema; has a list of field errors
    ├── Unauthenticated           a key is needed, or the key is not valid
    ├── Forbidden                 a path outside DYAD_READ_ROOTS, or an action that is not allowed
    ├── NotFound                  a collection, item, job or model that does not exist
    │   ├── NoSuchProcess         a process that does not exist
    │   ├── NoSuchJob             a job that does not exist
    │   └── ResultNotReady        the results of a job that has not ended
    ├── Conflict                  the resource already exists, or is in use
    ├── Outdated                  the resource was changed since the client read it (`If-Match`)
    ├── TooLarge                  more bytes or pixels than the limit
    ├── UnreadableImage           not an image in a supported format
    ├── NothingIndexed            an ingest that rejected every file; has its result
    ├── InvalidBundle             a model bundle whose card, hashes or graph are not valid
    ├── Unavailable               a component is unavailable; retry later
    │   ├── Busy                  another process holds the lock; retry soon
    │   ├── IndexTooNew           a newer version of Dyad wrote the index on the vector server
    │   ├── Damaged               stored data that cannot be read; the collection is set aside until it is repaired
    │   ├── SourceUnavailable     a source of a schedule cannot be read, or lacks too many files
    │   └── OutOfSpace            the disk of DYAD_HOME is full
    └── StartupError              the service cannot start with these settings or this folder
        ├── ConfigError           an unknown DYAD_ variable or a contradictory pair of settings
        ├── HomeInUse             another process has the folder open
        └── HomeTooNew            a newer version of Dyad wrote the folder
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple


class FieldError(NamedTuple):
    """An invalid field of an input: its location and the reason."""

    loc: str
    message: str


class DyadError(Exception):
    """Base of all errors that Dyad raises deliberately; `str(error)` is one line for the user."""


class InvalidInput(DyadError):
    """Parameters contradict each other or are not valid."""


class ModelMismatch(InvalidInput):
    """A model does not fit a collection (bands, dimension)."""


class Unfetchable(InvalidInput):
    """A file on another server cannot be fetched."""


class NotThere(Unfetchable):
    """The server has no such file."""


class Unprocessable(DyadError):
    """Well-formed input that is not valid against the schema."""

    def __init__(self, message: str, errors: Sequence[FieldError] = ()) -> None:
        super().__init__(message)
        self.errors = tuple(errors)


class Unauthenticated(DyadError):
    """A key is needed, or the one that was sent is not known."""


class Forbidden(DyadError):
    """The caller is not allowed to read or do this."""


class NotFound(DyadError):
    """The requested resource does not exist."""


class NoSuchProcess(NotFound):
    """The process does not exist."""


class NoSuchJob(NotFound):
    """The job does not exist."""


class ResultNotReady(NotFound):
    """The job has not ended, so it has no results."""


class Conflict(DyadError):
    """The resource already exists, or is in use."""


class Outdated(DyadError):
    """The resource was changed since the client read it."""


class TooLarge(DyadError):
    """More bytes or pixels than the limit."""


class UnreadableImage(DyadError):
    """Not an image in a supported format."""


class NothingIndexed(DyadError):
    """An ingest rejected every file. result: of the job, with the reasons."""

    def __init__(self, message: str, result: dict[str, Any]) -> None:
        super().__init__(message)
        self.result = result


class InvalidBundle(DyadError):
    """A model bundle whose card, hashes or graph are not valid."""


class Unavailable(DyadError):
    """A component is unavailable; retry later."""


class Busy(Unavailable):
    """Another process holds the lock; retry soon."""


class IndexTooNew(Unavailable):
    """A newer version of Dyad wrote an index on the vector server."""


class Damaged(Unavailable):
    """Stored data is damaged or missing; the message names it and the cure."""


class SourceUnavailable(Unavailable):
    """A source of a schedule cannot be read, or lacks too many files; an operator must check it."""


class OutOfSpace(Unavailable):
    """The disk that holds DYAD_HOME is full."""


class StartupError(DyadError):
    """The service cannot start."""


class ConfigError(StartupError):
    """Settings that are unknown, malformed or contradict each other."""


class HomeInUse(StartupError):
    """Another process has the state folder open; `url` is its address if it is a service."""

    def __init__(self, message: str, url: str | None = None) -> None:
        super().__init__(message)
        self.url = url


class HomeTooNew(StartupError):
    """A newer version of Dyad wrote the state folder."""
