"""Files on other servers, and calls of other servers."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Protocol


def go_on() -> None:
    """The default of `check`: never stops."""


class RemoteFile(io.RawIOBase):
    """A seekable file on another server. error: why a read has failed, as libraries in C lose the error of a read."""

    error: BaseException | None = None


class WebCalls(Protocol):
    """Sends requests to other servers, under the URL prefixes that the service may read."""

    def check_call(self, url: str) -> None:
        """Check the URL of a call. No request is sent.

        Raises:
            InvalidInput: not a URL. Forbidden: the service may not call it.
        """

    def post(self, url: str, body: bytes, media_type: str) -> None:
        """Send a POST request. Redirects are not followed, and the answer is not read.

        Raises:
            InvalidInput, Forbidden: as `check_call`. Unfetchable: there was no answer, or one with another status than 2xx.
        """


class RemoteFiles(Protocol):
    """Reads files from other servers, under the URL prefixes that the service may read."""

    def check(self, url: str) -> str:
        """The URL in normal form. No request is sent.

        Raises:
            InvalidInput: not a URL of a file. Forbidden: the service may not read it.
        """

    def open(self, url: str, *, check: Callable[[], None] = go_on) -> RemoteFile | None:
        """Open the file to read parts of it; None if the server sends whole files only. The caller closes it.

        Raises:
            InvalidInput, Forbidden, NotThere, Unfetchable: as `fetch`.
        """

    def fetch(
        self,
        url: str,
        target: Path,
        max_bytes: int,
        *,
        allow_query: bool = False,
        body: bytes | None = None,
        check: Callable[[], None] = go_on,
    ) -> str | None:
        """Download the file to `target`, which is removed on failure; return its stamp. allow_query: for URLs found in another
        file of the server.

        body: JSON that is sent by POST; None for GET. check: called between pieces; its exception ends the download.

        Raises:
            InvalidInput, Forbidden: as `check`, also for redirects. NotThere: the server has no such file. Unfetchable: the
            download failed otherwise. TooLarge: more than `max_bytes`. OutOfSpace: the disk is full.
        """

    def stamp(self, url: str, *, check: Callable[[], None] = go_on) -> str | None:
        """What changes with the file, from its ETag or its time and size, without reading it; None if the server tells neither,
        or does not answer.
        """
