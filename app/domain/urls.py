"""Addresses of files elsewhere, read strictly: what two programs might read differently is refused."""

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
    """Whether a text means to be an address on the web, of a server or of an object in a store."""
    return text.lower().startswith(tuple(f"{scheme}://" for scheme in PORTS))


@dataclass(frozen=True, slots=True)
class Url:
    """A checked address.

    host: lower case; of an object its bucket; an IPv6 address without brackets. path: percent-encoded, from the `/` on.
    query: as written, with its `?`.
    """

    scheme: str
    host: str
    port: int
    path: str
    query: str = ""

    @classmethod
    def parse(cls, text: str, *, allow_query: bool = False) -> Url:
        """The address.

        Raises:
            InvalidInput: it is not an http(s) address of a file, or one that programs read in several ways.
        """
        found = _URL.fullmatch(text) if len(text) <= MAX_LENGTH and text.isprintable() else None
        if found is None:
            raise InvalidInput(f"{text[:200]!r}: write a plain http(s) or s3 address, without user, fragment or backslash")
        scheme = found["scheme"].lower()
        if scheme == OBJECTS and (found["port"] or found["query"] or ":" in found["host"]):
            raise InvalidInput(f"{text[:200]!r}: write an object as s3://bucket/key")
        port = int(found["port"] or PORTS[scheme])
        query, path = found["query"] or "", quote(found["path"] or "/", safe=_KEPT)
        parts = [unquote(part) for part in path.split("/")]
        if port > 65_535 or any(part in (".", "..") or "/" in part or "\\" in part or not part.isprintable() for part in parts):
            raise InvalidInput(f"{text[:200]!r}: the address has a part that leads elsewhere")
        if query and not allow_query:
            raise InvalidInput(f"{text[:200]!r}: an address with a query is not read; name the file itself")
        return cls(scheme, found["host"].lower().strip("[]").rstrip("."), port, path, query)

    def join(self, href: str) -> str:
        """What a reference in this file means, not yet parsed."""
        if self.scheme != OBJECTS:
            return urljoin(str(self), href)
        if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", href):
            return href
        return urljoin(f"http://{self.host}{self.path}", href).replace("http", OBJECTS, 1)  # urljoin knows no other scheme

    def is_under(self, prefix: Url) -> bool:
        """Whether it lies under a prefix: the same server, and its path or a folder of it."""
        here, there = (self.scheme, self.host, self.port), (prefix.scheme, prefix.host, prefix.port)
        folder = prefix.path if prefix.path.endswith("/") else prefix.path + "/"
        return here == there and (self.path == prefix.path or self.path.startswith(folder))

    @property
    def authority(self) -> str:
        """Host or bucket, and the port where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    def public(self) -> str:
        """The address without its query, which may hold a secret."""
        return str(replace(self, query=""))

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.path}{self.query}"
