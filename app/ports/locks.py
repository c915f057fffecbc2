"""Named locks: what only one thread of one process may do at a time."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol


class Held(Protocol):
    """A lock that is held."""

    @property
    def is_lost(self) -> bool:
        """Whether somebody else has it by now."""

    @property
    def has_lapsed(self) -> bool:
        """Whether somebody else may have had it since it was taken."""


class Locks(Protocol):
    """Locks by name. A holder that dies lets go: at once in one process, within seconds in a cluster."""

    def hold(self, name: str, seconds: float | None = None) -> AbstractContextManager[Held]:
        """Hold a lock for a block; the thread that is in one may enter another of the same name.

        seconds: how long to wait for it, 0 not at all; the adapter's own patience if not given.

        Raises:
            Busy: somebody else had it all the while. Unavailable: there is nobody to ask.
        """

    def is_held(self, name: str) -> bool:
        """Whether anybody holds it.

        Raises:
            Unavailable: there is nobody to ask.
        """

    def close(self) -> None:
        """Release everything."""
