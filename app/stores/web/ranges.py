"""Files on other servers, read in parts: a seekable file over range requests, with a cache of blocks."""

from __future__ import annotations

import io
import re
from collections import OrderedDict
from collections.abc import Callable

import httpcore
import httpx
from typing_extensions import Buffer, override

from app.domain.naming.urls import Url
from app.errors import Unfetchable
from app.ports import RemoteFile
from app.stores.web.minimum_rate import Download
from app.stores.web.requests import REDIRECTS, TIMEOUTS, check_answer, headers_of, parts_of, translated

BLOCK = 64 << 10
MAX_BLOCKS = 512
"""32 MiB of a file are kept."""
Get = Callable[[int, int], bytes]
"""Returns the bytes from a start to an end (exclusive) of the file."""


class RangedFile(RemoteFile):
    """A read-only file of `size` bytes. get: fetches bytes; its errors are kept in `error`, and raised by reads as `OSError`.

    Libraries in C that read the file lose the error of a read, so callers raise `error` afterwards.
    """

    def __init__(self, size: int, get: Get, on_close: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        self.size = size
        self._get = get
        self._on_close = on_close
        self._at = 0
        self._blocks: OrderedDict[int, bytes] = OrderedDict()

    @override
    def readable(self) -> bool:
        return True

    @override
    def seekable(self) -> bool:
        return True

    @override
    def tell(self) -> int:
        return self._at

    @override
    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}[whence]
        self._at = max(0, start + offset)
        return self._at

    @override
    def read(self, size: int | None = -1) -> bytes:
        end = self.size if size is None or size < 0 else min(self._at + size, self.size)
        if end <= self._at:
            return b""
        found = self._bytes(self._at, end)
        self._at = end
        return found

    @override
    def readinto(self, buffer: Buffer) -> int:
        view = memoryview(buffer).cast("B")
        found = self.read(len(view))
        view[: len(found)] = found
        return len(found)

    @override
    def close(self) -> None:
        if not self.closed:
            self._blocks.clear()
            self._on_close()
        super().close()

    def _bytes(self, start: int, end: int) -> bytes:
        first, last = start // BLOCK, (end - 1) // BLOCK
        if last - first >= MAX_BLOCKS:
            return self._fetched(start, end)
        missing = [number for number in range(first, last + 1) if number not in self._blocks]
        if missing:
            self._load(missing[0], missing[-1])
        pieces = []
        for number in range(first, last + 1):
            self._blocks.move_to_end(number)
            pieces.append(self._blocks[number])
        while len(self._blocks) > MAX_BLOCKS:
            self._blocks.popitem(last=False)
        begin = first * BLOCK
        return b"".join(pieces)[start - begin : end - begin]

    def _load(self, first: int, last: int) -> None:
        """Fetch the blocks from `first` to `last` with one request."""
        data = self._fetched(first * BLOCK, min((last + 1) * BLOCK, self.size))
        for number in range(first, last + 1):
            at = (number - first) * BLOCK
            self._blocks[number] = data[at : at + BLOCK]

    def _fetched(self, start: int, end: int) -> bytes:
        if self.error is not None:
            raise OSError("the file cannot be read")
        try:
            return self._get(start, end)
        except BaseException as error:
            self.error = error
            raise OSError("the file cannot be read") from error


_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


def ranged(pool: httpcore.ConnectionPool, url: Url, download: Download) -> RangedFile | str | None:
    """The file at a URL, which closes the pool; the target of a redirect; or None if the server does not send parts of it.

    Raises:
        NotThere, Unfetchable: the server refuses, or does not answer.
    """
    status, headers, data = _request(pool, url, download, 0, BLOCK)
    if status in REDIRECTS and "location" in headers:
        return headers["location"]
    found = _CONTENT_RANGE.fullmatch(headers.get("content-range", ""))
    if status != 206 or found is None or found[1] != "0" or headers.get("content-encoding", "identity") != "identity":
        if status not in (206, 416):
            check_answer(url, status, httpx.Headers(), 0)
        pool.close()
        return None
    size = int(found[3])
    version = headers.get("etag", "") if not headers.get("etag", "").startswith("W/") else ""
    version = version or headers.get("last-modified", "")

    def get(start: int, end: int) -> bytes:
        if end <= len(data):
            return data[start:end]
        return _part(pool, url, download, start, end, version)

    return RangedFile(size, get, pool.close)


def _part(pool: httpcore.ConnectionPool, url: Url, download: Download, start: int, end: int, version: str) -> bytes:
    status, headers, data = _request(pool, url, download, start, end, version)
    if (
        status != 206
        or not headers.get("content-range", "").startswith(f"bytes {start}-{end - 1}/")
        or len(data) != end - start
    ):
        if status == 200:
            raise Unfetchable(f"{url.public()}: the file changed while it was read; try again")
        check_answer(url, status, httpx.Headers(), 0)
        raise Unfetchable(f"{url.public()}: its server sent another part of the file than requested")
    return data


def _request(
    pool: httpcore.ConnectionPool, url: Url, download: Download, start: int, end: int, version: str = ""
) -> tuple[int, httpx.Headers, bytes]:
    """Status, headers and, of a part, the body. version: the answer has the whole file if it is no longer this version."""
    more = [("Range", f"bytes={start}-{end - 1}"), *([("If-Range", version)] if version else [])]
    download.begin()
    with (
        translated(url),
        pool.stream("GET", parts_of(url), headers=headers_of(url, more), extensions={"timeout": TIMEOUTS}) as answer,
    ):
        download.end_head()
        body = bytearray()
        if answer.status == 206:
            for piece in answer.iter_stream():
                body += piece
                if len(body) > end - start:
                    raise Unfetchable(f"{url.public()}: its server sent more of the file than requested")
        return answer.status, httpx.Headers(answer.headers), bytes(body)
