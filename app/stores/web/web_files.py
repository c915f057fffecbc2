"""Files from web servers, restricted to URLs under DYAD_READ_ROOTS."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import httpcore
import httpx
from typing_extensions import Buffer

from app.atomic_files import telling_full_disk
from app.domain.urls import Url
from app.errors import Forbidden, InvalidInput, NotThere, TooLarge, Unfetchable
from app.ports import RemoteFiles, go_on
from app.stores.web.addresses import CheckedBackend, Lookup, look_up
from app.stores.web.minimum_rate import Download

log = logging.getLogger(__name__)

MAX_REDIRECTS = 5
TIMEOUTS = {"connect": 10.0, "read": 30.0, "write": 10.0, "pool": 60.0}
_REDIRECTS = (301, 302, 303, 307, 308)
_NOT_FOUND = (404, 410)
_HEADERS = (("Accept", "*/*"), ("Accept-Encoding", "identity"), ("User-Agent", "dyad"))


class HttpFiles(RemoteFiles):
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
        self, url: str, target: Path, max_bytes: int, *, allow_query: bool = False, check: Callable[[], None] = go_on
    ) -> None:
        """Write the file to `target`."""
        begun = here = self._allowed(Url.parse(url, allow_query=allow_query))
        download = Download(check)
        with httpcore.ConnectionPool(ssl_context=self._tls, network_backend=self._backend.limited(download)) as pool:
            for _ in range(MAX_REDIRECTS + 1):
                following = self._get(pool, here, target, max_bytes, download)
                if following is None:
                    return
                here = self._allowed(_target(begun, here, following), begun)
        raise Unfetchable(f"{begun.public()}: more than {MAX_REDIRECTS} redirects")

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

    def _get(self, pool: httpcore.ConnectionPool, url: Url, target: Path, max_bytes: int, download: Download) -> str | None:
        """Send one request: write the file and return None, or return the target of a redirect."""
        # httpcore gets the parts that were checked, so that no second parser interprets the URL
        parts = httpcore.URL(scheme=url.scheme, host=url.host, port=url.port, target=url.path + url.query)
        headers: list[tuple[bytes | str, bytes | str]] = [("Host", url.authority), *_HEADERS]
        download.begin()
        try:
            with pool.stream("GET", parts, headers=headers, extensions={"timeout": TIMEOUTS}) as answer:
                download.end_head()
                headers_in = httpx.Headers(answer.headers)
                if answer.status in _REDIRECTS and "location" in headers_in:
                    return headers_in["location"]
                _check_answer(url, answer.status, headers_in, max_bytes)
                receive(_limited(url, answer.iter_stream(), max_bytes), target, download.check)
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError) as error:
            raise Unfetchable(
                f"{url.public()}: the answer is missing or incomplete ({str(error) or type(error).__name__}); try again"
            ) from None
        return None


def _target(begun: Url, here: Url, location: str) -> Url:
    try:
        return Url.parse(here.join(location), allow_query=True)
    except (InvalidInput, ValueError):
        log.warning("%s redirects to %r, which is not a valid URL", begun.public(), location[:1000])
        raise Unfetchable(f"{begun.public()} redirects to something that is not a plain http(s) URL") from None


def _check_answer(url: Url, status: int, headers: httpx.Headers, max_bytes: int) -> None:
    if status != 200:
        kind = NotThere if status in _NOT_FOUND else Unfetchable
        raise kind(f"{url.public()}: its server answered {status}")
    if headers.get("content-encoding", "identity") != "identity":
        raise Unfetchable(
            f"{url.public()}: its server sent it compressed as {headers['content-encoding']}, which was not requested"
        )
    length = headers.get("content-length", "")
    if length.isdecimal() and int(length) > max_bytes:
        raise _too_large(url, max_bytes)


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
            raise _too_large(url, max_bytes)
        yield piece


def _too_large(url: Url, max_bytes: int) -> TooLarge:
    return TooLarge(f"{url.public()} is larger than the limit of {max_bytes >> 20} MB (DYAD_MAX_UPLOAD_MB)")
