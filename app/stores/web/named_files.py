"""Objects of S3 stores under DYAD_READ_ROOTS, and the choice between S3 and web servers by the scheme of a URL."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

import obstore
from obstore.exceptions import BaseError
from typing_extensions import override

from app.domain.naming.urls import OBJECTS, Url
from app.errors import Forbidden, InvalidInput, NotThere, TooLarge, Unfetchable
from app.ports import RemoteFile, RemoteFiles, WebCalls, go_on
from app.ports.stopping import in_thread
from app.stores.blobs.object_store import open_store
from app.stores.web.addresses import Lookup, look_up
from app.stores.web.ranges import RangedFile
from app.stores.web.web_files import HttpFiles, receive

if TYPE_CHECKING:
    from collections.abc import Iterator

    from obstore import ObjectMeta
    from obstore.store import ObjectStore

log = logging.getLogger(__name__)

_CHUNK = 1 << 20


class ObjectFiles(RemoteFiles):
    """Objects under `prefixes` such as `s3://bucket/scenes/`, in the store of the `AWS_` environment variables."""

    def __init__(self, prefixes: Iterable[str]) -> None:
        self._prefixes = [Url.parse(prefix) for prefix in prefixes]
        self._stores: dict[str, ObjectStore] = {}

    @override
    def check(self, url: str) -> str:
        return str(self._allowed(url))

    @override
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
        here = self._allowed(url)
        if body is not None:
            raise InvalidInput(f"{here}: an object store answers no POST requests")
        with _translated(here):
            found = in_thread(lambda: obstore.get(self._store(here.host), unquote(here.path).removeprefix("/")), check)
            if found.meta["size"] > max_bytes:
                raise TooLarge(f"{here} is larger than the limit of {max_bytes >> 20} MB (DYAD_MAX_UPLOAD_MB)")
            pieces = iter(found.stream(min_chunk_size=_CHUNK))
            receive(iter(lambda: in_thread(lambda: next(pieces, b""), check), b""), target, check)
            return _stamp(found.meta)

    @override
    def stamp(self, url: str, *, check: Callable[[], None] = go_on) -> str | None:
        here = self._allowed(url)
        try:
            with _translated(here):
                path = unquote(here.path).removeprefix("/")
                return _stamp(in_thread(lambda: obstore.head(self._store(here.host), path), check))
        except (NotThere, Unfetchable):
            return None

    @override
    def open(self, url: str, *, check: Callable[[], None] = go_on) -> RemoteFile | None:
        here = self._allowed(url)
        store, key = self._store(here.host), unquote(here.path).removeprefix("/")
        with _translated(here):
            size = in_thread(lambda: obstore.head(store, key), check)["size"]

        def get(start: int, end: int) -> bytes:
            with _translated(here):
                return bytes(in_thread(lambda: obstore.get_range(store, key, start=start, end=end), check))

        return RangedFile(size, get)

    def _store(self, bucket: str) -> ObjectStore:
        if bucket not in self._stores:
            self._stores[bucket], _ = open_store(f"{OBJECTS}://{bucket}")
        return self._stores[bucket]

    def _allowed(self, text: str) -> Url:
        url = Url.parse(text)
        if not any(url.is_under(prefix) for prefix in self._prefixes):
            raise Forbidden(f"{url} is not under DYAD_READ_ROOTS; add its prefix there to permit it")
        return url


def _stamp(meta: ObjectMeta) -> str | None:
    return f"{meta['e_tag']} {meta['size']} {meta['last_modified'].isoformat()}" if meta["e_tag"] else None


@contextmanager
def _translated(url: Url) -> Iterator[None]:
    """Convert errors of the library to those of Dyad."""
    try:
        yield
    except FileNotFoundError:
        raise NotThere(f"{url}: no such object or bucket") from None
    except (BaseError, ValueError) as error:
        log.warning("%s: %s", url, next(iter(str(error).splitlines()), ""))  # names the server behind the bucket
        raise Unfetchable(
            f"{url}: the object store refused or failed ({type(error).__name__}; the log of the service has the reason); "
            "check the AWS_ variables"
        ) from None


class NamedFiles(RemoteFiles, WebCalls):
    """Files under `prefixes`: `s3://` from `ObjectFiles`, `http://` and `https://` from `HttpFiles`."""

    def __init__(self, prefixes: Iterable[str], networks: Iterable[str] = (), lookup: Lookup = look_up) -> None:
        parsed = [Url.parse(prefix) for prefix in prefixes]
        self._objects = ObjectFiles(str(url) for url in parsed if url.scheme == OBJECTS)
        self._web = HttpFiles((str(url) for url in parsed if url.scheme != OBJECTS), networks, lookup)

    @override
    def check(self, url: str) -> str:
        return self._of(url).check(url)

    @override
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
        return self._of(url).fetch(url, target, max_bytes, allow_query=allow_query, body=body, check=check)

    @override
    def stamp(self, url: str, *, check: Callable[[], None] = go_on) -> str | None:
        return self._of(url).stamp(url, check=check)

    @override
    def open(self, url: str, *, check: Callable[[], None] = go_on) -> RemoteFile | None:
        return self._of(url).open(url, check=check)

    @override
    def check_call(self, url: str) -> None:
        self._web.check_call(url)

    @override
    def post(self, url: str, body: bytes, media_type: str) -> None:
        self._web.post(url, body, media_type)

    def _of(self, url: str) -> RemoteFiles:
        return self._objects if url.lower().startswith(f"{OBJECTS}:") else self._web
