"""Requests to other servers: headers, timeouts, and the errors that answers stand for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import httpcore
import httpx

from app.domain.naming.urls import Url
from app.errors import NotThere, TooLarge, Unfetchable

TIMEOUTS = {"connect": 10.0, "read": 30.0, "write": 10.0, "pool": 60.0}
REDIRECTS = (301, 302, 303, 307, 308)
POST_REDIRECTS = (307, 308)
"""Redirects after which a POST request is sent again with its body. Others are not followed."""
_NOT_FOUND = (404, 410)
_HEADERS = (("Accept", "*/*"), ("Accept-Encoding", "identity"), ("User-Agent", "dyad"))


def parts_of(url: Url) -> httpcore.URL:
    """The parts that were checked, so that no second parser interprets the URL."""
    return httpcore.URL(scheme=url.scheme, host=url.host, port=url.port, target=url.path + url.query)


def headers_of(url: Url, more: Iterable[tuple[str, str]] = ()) -> list[tuple[bytes | str, bytes | str]]:
    """The headers of a request."""
    return [("Host", url.authority), *_HEADERS, *more]


@contextmanager
def translated(url: Url) -> Iterator[None]:
    """Convert errors of the connection."""
    try:
        yield
    except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError) as error:
        raise Unfetchable(
            f"{url.public()}: the answer is missing or incomplete ({str(error) or type(error).__name__}); try again"
        ) from None


def check_answer(url: Url, status: int, headers: httpx.Headers, max_bytes: int | None) -> None:
    """Check that an answer has the whole file, not compressed, of at most `max_bytes` (None: of any size).

    Raises:
        NotThere, Unfetchable, TooLarge: it has not.
    """
    if status != 200:
        kind = NotThere if status in _NOT_FOUND else Unfetchable
        raise kind(f"{url.public()}: its server answered {status}")
    if headers.get("content-encoding", "identity") != "identity":
        raise Unfetchable(
            f"{url.public()}: its server sent it compressed as {headers['content-encoding']}, which was not requested"
        )
    length = headers.get("content-length", "")
    if max_bytes is not None and length.isdecimal() and int(length) > max_bytes:
        raise too_large(url, max_bytes)


def too_large(url: Url, max_bytes: int) -> TooLarge:
    """The error for a file of more than `max_bytes`."""
    return TooLarge(f"{url.public()} is larger than the limit of {max_bytes >> 20} MB (DYAD_MAX_UPLOAD_MB)")
