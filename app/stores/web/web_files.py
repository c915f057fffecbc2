"""Files from web servers, restricted to URLs under DYAD_READ_ROOTS."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpcore
import httpx
from typing_extensions import Buffer

from app.atomic_files import telling_full_disk
from app.domain.naming.urls import Url
from app.errors import Forbidden, InvalidInput, NotThere, Unfetchable
from app.ports import RemoteFile, RemoteFiles, WebCalls, go_on
from app.stores.web.addresses import CheckedBackend, Lookup, look_up
from app.stores.web.minimum_rate import Download
from app.stores.web.ranges import ranged
from app.stores.web.requests import (
    POST_REDIRECTS,
    REDIRECTS,
    TIMEOUTS,
    check_answer,
    headers_of,
    parts_of,
    too_large,
    translated,
)

log = logging.getLogger(__name__)

SETTLED = timedelta(seconds=2)
"""A file may change within a second without another `Last-Modified`."""
MAX_REDIRECTS = 5


class HttpFiles(RemoteFiles, WebCalls):
    """Files under `prefixes`. Redirects are followed if their targets are under one of them, too.

    networks: networks of non-public addresses that are permitted. lookup: returns the addresses of a host.
    Proxies of the environment are not used, because the address behind a proxy cannot be checked.
    """

    def __init__(self, prefixes: Iterable[str], networks: Iterable[str] = (), lookup: Lookup = look_up) -> None:
        self._prefixes = [Url.parse(prefix) for prefix in prefixes]
        self._tls = httpx.create_ssl_context(trust_env=False)
        self._backend = CheckedBackend(networks, lookup)

    def check(self, url: str) -> str:
        """Return the URL in its canonical form; raises `Forbidden` unless it is permitted."""
        return str(self._allowed(Url.parse(url)))

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
        """Write the file to `target`."""
        return self._follow(Url.parse(url, allow_query=allow_query), target, max_bytes, check, body)

    def stamp(self, url: str, *, check: Callable[[], None] = go_on) -> str | None:
        """The stamp of the answer to a HEAD request."""
        try:
            return self._follow(Url.parse(url), None, 0, check)
        except (NotThere, Unfetchable, Forbidden):
            return None

    def _follow(
        self, begun: Url, target: Path | None, max_bytes: int, check: Callable[[], None], body: bytes | None = None
    ) -> str | None:
        """Request a file, also where it is redirected to, and return its stamp. target: None for a HEAD request.

        body: of a POST request.
        """
        here = self._allowed(begun)
        download = Download(check)
        with httpcore.ConnectionPool(ssl_context=self._tls, network_backend=self._backend.limited(download)) as pool:
            for _ in range(MAX_REDIRECTS + 1):
                following, stamp = self._request(pool, here, target, max_bytes, download, body)
                if following is None:
                    return stamp
                here = self._allowed(_target(begun, here, following), begun)
        raise Unfetchable(f"{begun.public()}: more than {MAX_REDIRECTS} redirects")

    def open(self, url: str, *, check: Callable[[], None] = go_on) -> RemoteFile | None:
        """Open the file by range requests; None if the server does not support them."""
        begun = here = self._allowed(Url.parse(url))
        download = Download(check)
        pool = httpcore.ConnectionPool(ssl_context=self._tls, network_backend=self._backend.limited(download))
        try:
            for _ in range(MAX_REDIRECTS + 1):
                found = ranged(pool, here, download)
                if not isinstance(found, str):
                    return found
                here = self._allowed(_target(begun, here, found), begun)
        except BaseException:
            pool.close()
            raise
        pool.close()
        raise Unfetchable(f"{begun.public()}: more than {MAX_REDIRECTS} redirects")

    def check_call(self, url: str) -> None:
        """Raise `Forbidden` unless the URL is permitted; it may have a query."""
        self._allowed(Url.parse(url, allow_query=True))

    def post(self, url: str, body: bytes, media_type: str) -> None:
        """Send a POST request; redirects are not followed, and the answer is not read."""
        here = self._allowed(Url.parse(url, allow_query=True))
        sent = [("Content-Type", media_type), ("Content-Length", str(len(body)))]
        download = Download()
        with (
            translated(here),
            httpcore.ConnectionPool(ssl_context=self._tls, network_backend=self._backend.limited(download)) as pool,
            pool.stream(
                "POST", parts_of(here), headers=headers_of(here, sent), content=body, extensions={"timeout": TIMEOUTS}
            ) as answer,
        ):
            if not 200 <= answer.status < 300:
                raise Unfetchable(f"{here.public()}: its server answered {answer.status}")

    def _allowed(self, url: Url, begun: Url | None = None) -> Url:
        if not any(url.is_under(prefix) for prefix in self._prefixes):
            if begun is None:
                raise Forbidden(f"{url.public()} is not under DYAD_READ_ROOTS; add its prefix there to permit it")
            log.warning("%s redirects to %s, which is not under DYAD_READ_ROOTS", begun.public(), url.public())
            raise Forbidden(
                f"{begun.public()} redirects to a URL that is not under DYAD_READ_ROOTS (the log of the service has it); "
                "add its prefix there to permit it"
            )
        return url

    def _request(
        self,
        pool: httpcore.ConnectionPool,
        url: Url,
        target: Path | None,
        max_bytes: int,
        download: Download,
        body: bytes | None,
    ) -> tuple[str | None, str | None]:
        """Send one request and write the file; return the target of a redirect, and the stamp of the file."""
        method = "HEAD" if target is None else "GET" if body is None else "POST"
        sent = () if body is None else (("Content-Type", "application/json"), ("Content-Length", str(len(body))))
        download.begin()
        with (
            translated(url),
            pool.stream(
                method, parts_of(url), headers=headers_of(url, sent), content=body, extensions={"timeout": TIMEOUTS}
            ) as answer,
        ):
            download.end_head()
            headers_in = httpx.Headers(answer.headers)
            if answer.status in (REDIRECTS if body is None else POST_REDIRECTS) and "location" in headers_in:
                return headers_in["location"], None
            check_answer(url, answer.status, headers_in, max_bytes if target is not None else None)
            if target is not None:
                receive(_limited(url, answer.iter_stream(), max_bytes), target, download.check)
        return None, _stamp(headers_in)


def _target(begun: Url, here: Url, location: str) -> Url:
    try:
        return Url.parse(here.join(location), allow_query=True)
    except (InvalidInput, ValueError):
        log.warning("%s redirects to %r, which is not a valid URL", begun.public(), location[:1000])
        raise Unfetchable(f"{begun.public()} redirects to something that is not a plain http(s) URL") from None


def _stamp(headers: httpx.Headers) -> str | None:
    """What changes with the file: its ETag, or its size and a time of change that is more than `SETTLED` ago."""
    if "etag" in headers:
        return headers["etag"]
    try:
        changed, now = (parsedate_to_datetime(headers[name]) for name in ("last-modified", "date"))
    except (KeyError, ValueError):
        return None
    is_settled = changed.replace(tzinfo=None) < now.replace(tzinfo=None) - SETTLED
    return f"{headers['last-modified']} {headers.get('content-length', '')}" if is_settled else None


def receive(pieces: Iterable[Buffer], target: Path, check: Callable[[], None]) -> None:
    """Write a file from pieces; a partial file is deleted on any error. check: called before each piece."""
    with telling_full_disk(target.parent):
        try:
            with target.open("wb") as file:
                for piece in pieces:
                    check()
                    file.write(piece)
        except BaseException:
            target.unlink(missing_ok=True)
            raise


def _limited(url: Url, pieces: Iterable[bytes], max_bytes: int) -> Iterator[bytes]:
    received = 0
    for piece in pieces:
        received += len(piece)
        if received > max_bytes:
            raise too_large(url, max_bytes)
        yield piece
