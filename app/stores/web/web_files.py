"""Files from web servers, for those addresses only that DYAD_READ_ROOTS names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import httpcore
import httpx
from typing_extensions import Buffer

from app.atomic_files import telling_full_disk
from app.domain.urls import Url
from app.errors import Forbidden, NotThere, TooLarge, Unfetchable
from app.ports import RemoteFiles, go_on
from app.stores.web.addresses import CheckedBackend, Lookup, look_up

MAX_REDIRECTS = 5
TIMEOUTS = {"connect": 10.0, "read": 30.0, "write": 10.0, "pool": 60.0}
_REDIRECTS = (301, 302, 303, 307, 308)
_GONE = (404, 410)
_HEADERS = (("Accept", "*/*"), ("Accept-Encoding", "identity"), ("User-Agent", "dyad"))


class HttpFiles(RemoteFiles):
    """Files under `prefixes`. Redirects are followed where they lead under one of them, too.

    networks: of addresses that are not public and may be reached all the same. lookup: gives the addresses of a host.
    The environment's proxies are not used: through one, nobody would know which address is reached.
    """

    def __init__(self, prefixes: Iterable[str], networks: Iterable[str] = (), lookup: Lookup = look_up) -> None:
        self._prefixes = [Url.parse(prefix) for prefix in prefixes]
        self._tls = httpx.create_ssl_context(trust_env=False)
        self._backend = CheckedBackend(networks, lookup)

    def check(self, url: str) -> str:
        """The address in its one form."""
        return str(self._allowed(Url.parse(url)))

    def fetch(
        self, url: str, target: Path, max_bytes: int, *, allow_query: bool = False, check: Callable[[], None] = go_on
    ) -> None:
        """Write the file to `target`."""
        begun = here = self._allowed(Url.parse(url, allow_query=allow_query))
        with httpcore.ConnectionPool(ssl_context=self._tls, network_backend=self._backend) as pool:
            for _ in range(MAX_REDIRECTS + 1):
                following = self._get(pool, here, target, max_bytes, check)
                if following is None:
                    return
                here = self._allowed(Url.parse(here.join(following), allow_query=True), begun)
        raise Unfetchable(f"{begun.public()}: more than {MAX_REDIRECTS} redirects")

    def _allowed(self, url: Url, begun: Url | None = None) -> Url:
        if not any(url.is_under(prefix) for prefix in self._prefixes):
            where = f"{begun.public()} leads to {url.public()}" if begun is not None else url.public()
            raise Forbidden(f"{where}: the server may not read there; DYAD_READ_ROOTS names the addresses that it may read")
        return url

    def _get(
        self, pool: httpcore.ConnectionPool, url: Url, target: Path, max_bytes: int, check: Callable[[], None]
    ) -> str | None:
        """Ask once: the address that it is redirected to, or None, and the file is there."""
        # httpcore is given the parts that were checked, so that no second parser has a say
        parts = httpcore.URL(scheme=url.scheme, host=url.host, port=url.port, target=url.path + url.query)
        headers: list[tuple[bytes | str, bytes | str]] = [("Host", url.authority), *_HEADERS]
        try:
            with pool.stream("GET", parts, headers=headers, extensions={"timeout": TIMEOUTS}) as answer:
                said = httpx.Headers(answer.headers)
                if answer.status in _REDIRECTS and "location" in said:
                    return said["location"]
                _look_at(url, answer.status, said, max_bytes)
                receive(_limited(url, answer.iter_stream(), max_bytes), target, check)
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError) as error:
            raise Unfetchable(f"{url.public()}: no whole answer ({str(error) or type(error).__name__})") from None
        return None


def _look_at(url: Url, status: int, headers: httpx.Headers, max_bytes: int) -> None:
    if status != 200:
        kind = NotThere if status in _GONE else Unfetchable
        raise kind(f"{url.public()}: its server answered {status}")
    if headers.get("content-encoding", "identity") != "identity":
        raise Unfetchable(f"{url.public()}: its server sends it packed as {headers['content-encoding']}, unasked")
    length = headers.get("content-length", "")
    if length.isdecimal() and int(length) > max_bytes:
        raise _too_large(url, max_bytes)


def receive(pieces: Iterable[Buffer], target: Path, check: Callable[[], None]) -> None:
    """Write a file as it comes, all of it or nothing. check: called before each piece."""
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
    return TooLarge(f"{url.public()} is larger than {max_bytes >> 20} MB (DYAD_MAX_UPLOAD_MB)")
