"""Files on other servers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol


def go_on() -> None:
    """Nothing ends it: what is called between the pieces of a file that nobody dismisses."""


class RemoteFiles(Protocol):
    """Files under the addresses that the service may read from."""

    def check(self, url: str) -> str:
        """The address in its one form.

        Raises:
            InvalidInput: not an address of a file. Forbidden: not under one that may be read.
        """

    def fetch(
        self, url: str, target: Path, max_bytes: int, *, allow_query: bool = False, check: Callable[[], None] = go_on
    ) -> None:
        """Write the file to `target`, all of it or nothing. allow_query: for addresses that another file of the server named.

        check: called between pieces; what it raises ends the download.

        Raises:
            InvalidInput, Forbidden: as `check`, also of where it leads on to. Unfetchable: the server does not give it;
            NotThere: because it has none. TooLarge: more than `max_bytes`. OutOfSpace: the disk is full.
        """
