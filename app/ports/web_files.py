"""Files on other servers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol


def go_on() -> None:
    """The default of `check`: never stops."""


class RemoteFiles(Protocol):
    """Reads files from other servers, under the URL prefixes that the service may read."""

    def check(self, url: str) -> str:
        """The URL in normal form. No request is sent.

        Raises:
            InvalidInput: not a URL of a file. Forbidden: the service may not read it.
        """

    def fetch(
        self, url: str, target: Path, max_bytes: int, *, allow_query: bool = False, check: Callable[[], None] = go_on
    ) -> None:
        """Download the file to `target`, which is removed on failure. allow_query: for URLs found in another file of the
        server.

        check: called between pieces; its exception ends the download.

        Raises:
            InvalidInput, Forbidden: as `check`, also for redirects. NotThere: the server has no such file. Unfetchable: the
            download failed otherwise. TooLarge: more than `max_bytes`. OutOfSpace: the disk is full.
        """
