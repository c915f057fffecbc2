"""Domain errors. They say what went wrong and what to do next; they know nothing of HTTP or exit codes.

::

    DyadError
    ├── InvalidInput              parameters contradict each other or cannot be understood
    │   ├── ModelMismatch         a model does not fit a collection (bands, dimension)
    │   └── Unfetchable           a file on another server that cannot be had
    │       └── NotThere          because that server has no such file
    ├── Unprocessable             well-formed but of the wrong shape; carries a list of field errors
    ├── Unauthenticated           a key is needed, or the one that was sent is not known
    ├── Forbidden                 a path outside DYAD_READ_ROOTS, an action the caller may not do
    ├── NotFound                  a collection, item, job or model that does not exist
    ├── Conflict                  it exists already, or is in use
    ├── TooLarge                  more bytes or pixels than the limit, which the message names
    ├── UnreadableImage           not an image that can be read; says which formats are
    ├── InvalidBundle             a model bundle whose card, hashes or graph do not fit

    ├── Unavailable               a part is down; try again later
    │   ├── Busy                  another process is at it
    │   ├── IndexTooNew           a newer version wrote it on the vector server
    │   ├── SourceUnavailable     what a schedule names cannot be read, or has lost too much to be believed
    │   └── OutOfSpace            the disk of DYAD_HOME is full
    └── StartupError              the service cannot start on these settings or this folder
        ├── ConfigError           an unknown DYAD_ variable or a contradictory pair of settings
        ├── HomeInUse             another process has the folder open
        └── HomeTooNew            the folder was written by a newer version
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class FieldError(NamedTuple):
    """One wrong field of an input: where it is and what is wrong with it."""

    loc: str
    message: str


class DyadError(Exception):
    """Root of every error that Dyad raises on purpose; `str(error)` is one line meant for a person."""


class InvalidInput(DyadError):
    """Parameters contradict each other or cannot be understood."""


class ModelMismatch(InvalidInput):
    """A model does not fit a collection."""


class Unfetchable(InvalidInput):
    """A file on another server cannot be had."""


class NotThere(Unfetchable):
    """Its server says that it has no such file."""


class Unprocessable(DyadError):
    """Well-formed input of the wrong shape."""

    def __init__(self, message: str, errors: Sequence[FieldError] = ()) -> None:
        super().__init__(message)
        self.errors = tuple(errors)


class Unauthenticated(DyadError):
    """A key is needed, or the one that was sent is not known."""


class Forbidden(DyadError):
    """The caller may not read or do this."""


class NotFound(DyadError):
    """What was asked for does not exist."""


class Conflict(DyadError):
    """What should be created exists already, or what should be changed is in use."""


class TooLarge(DyadError):
    """More bytes or pixels than the limit."""


class UnreadableImage(DyadError):
    """Not an image that can be read."""


class InvalidBundle(DyadError):
    """A model bundle whose card, hashes or graph do not fit."""


class Unavailable(DyadError):
    """A part that the answer needs is down."""


class Busy(Unavailable):
    """Another process is at it; it will not take long."""


class IndexTooNew(Unavailable):
    """A newer version of Dyad wrote an index on the vector server."""


class SourceUnavailable(Unavailable):
    """What a schedule names cannot be read, or has lost too much to be believed: somebody should look."""


class OutOfSpace(Unavailable):
    """The disk that holds DYAD_HOME is full."""


class StartupError(DyadError):
    """The service cannot start."""


class ConfigError(StartupError):
    """Settings that are unknown, malformed or contradict each other."""


class HomeInUse(StartupError):
    """Another process has the state folder open; `url` is the service's address where it is one."""

    def __init__(self, message: str, url: str | None = None) -> None:
        super().__init__(message)
        self.url = url


class HomeTooNew(StartupError):
    """The state folder was written by a newer version."""
