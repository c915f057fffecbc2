"""Named locks across threads and processes."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol


class Held(Protocol):
    """A lock that is held."""

    @property
    def is_lost(self) -> bool:
        """Whether another holder has it now."""

    @property
    def has_lapsed(self) -> bool:
        """Whether another holder may have had it since it was acquired."""


class Locks(Protocol):
    """Locks by name. The lock of a killed holder is released: at once in one process, within seconds in a cluster."""

    def hold(self, name: str, seconds: float | None = None) -> AbstractContextManager[Held]:
        """Hold a lock for a block. Re-entrant: the thread that holds it may acquire it again.

        seconds: maximum wait, 0 for none, None for the adapter's default.

        Raises:
            Busy: another holder did not release it in time. Unavailable: the lock service does not answer.
        """

    def is_held(self, name: str) -> bool:
        """Whether the lock is held.

        Raises:
            Unavailable: the lock service does not answer.
        """

    def close(self) -> None:
        """Release all resources."""
