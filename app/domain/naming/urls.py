"""URLs of remote files, parsed strictly: a URL that programs may interpret differently is refused."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from urllib.parse import quote, unquote, urljoin

from app.errors import InvalidInput

OBJECTS = "s3"
PORTS = {"http": 80, "https": 443, OBJECTS: 0}
MAX_LENGTH = 4096
_URL = re.compile(
    r"(?P<scheme>https?|s3)://(?P<host>\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::(?P<port>[0-9]{1,5}))?(?P<path>/[^?#\\]*)?(?P<query>\?[^#\\]*)?",
    re.IGNORECASE,
)
_KEPT = "/%:@!$&'()*+,;=~-._"


def is_url(text: str) -> bool:
    """Whether a text starts like an http, https or s3 URL."""
    return text.lower().startswith(tuple(f"{scheme}://" for scheme in PORTS))


@dataclass(frozen=True, slots=True)
class Url:
    """A valid URL.

    host: lower case; for s3 the bucket; an IPv6 address without brackets. path: percent-encoded, with the leading `/`.
    query: as written, with the `?`.
    """

    scheme: str
    host: str
    port: int
    path: str
    query: str = ""

    @classmethod
    def parse(cls, text: str, *, allow_query: bool = False) -> Url:
        """Parse a URL.

        Raises:
            InvalidInput: not an http, https or s3 URL of a file, or one that programs may interpret differently.
        """
        found = _URL.fullmatch(text) if len(text) <= MAX_LENGTH and text.isprintable() else None
        if found is None:
            raise InvalidInput(f"{text[:200]!r}: must be a plain http(s) or s3 URL, without user, fragment or backslash")
        scheme = found["scheme"].lower()
        if scheme == OBJECTS and (found["port"] or found["query"] or ":" in found["host"]):
            raise InvalidInput(f"{text[:200]!r}: must have the form s3://bucket/key")
        port = int(found["port"] or PORTS[scheme])
        query, path = found["query"] or "", quote(found["path"] or "/", safe=_KEPT)
        parts = [unquote(part) for part in path.split("/")]
        if port > 65_535 or any(part in (".", "..") or "/" in part or "\\" in part or not part.isprintable() for part in parts):
            raise InvalidInput(f"{text[:200]!r}: the URL has `..`, an encoded slash or a port above 65535")
        if query and not allow_query:
            raise InvalidInput(f"{text[:200]!r}: URLs with a query are not supported; use the URL of the file itself")
        return cls(scheme, found["host"].lower().strip("[]").rstrip("."), port, path, query)

    def join(self, href: str) -> str:
        """Resolve a reference in this file to a URL, not yet parsed."""
        if self.scheme != OBJECTS:
            return urljoin(str(self), href)
        if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", href):
            return href
        return urljoin(f"http://{self.host}{self.path}", href).replace("http", OBJECTS, 1)  # urljoin does not support s3

    def is_under(self, prefix: Url) -> bool:
        """Whether the URL is under a prefix: the same scheme, host and port, and the same path or a path below it."""
        here, there = (self.scheme, self.host, self.port), (prefix.scheme, prefix.host, prefix.port)
        folder = prefix.path if prefix.path.endswith("/") else prefix.path + "/"
        return here == there and (self.path == prefix.path or self.path.startswith(folder))

    @property
    def authority(self) -> str:
        """Host or bucket, with the port if it is not the default of the scheme."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    def public(self) -> str:
        """The URL without its query, which may contain a secret."""
        return str(replace(self, query=""))

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.path}{self.query}"
