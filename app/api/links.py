"""Signed links to pictures, for clients that cannot send a key with each picture, such as a GIS.

The signature is an HMAC of the standard library; no signing library is needed for one kind of link.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from starlette.datastructures import QueryParams
from starlette.requests import Request

from app.domain.keys import ApiKey

DAY = 86_400


@dataclass(frozen=True, slots=True)
class Place:
    """The URL of a collection for one client.

    key: the key of the request; it signs links to pictures. link: the secret of a shared link, which opens them. Without both,
    links are not signed.
    """

    url: str
    collection: str
    key: ApiKey | None = None
    link: str | None = None

    @property
    def base(self) -> str:
        """The URL of the service."""
        return self.url.rpartition("/collections/")[0]

    def picture(self, item: str, what: str) -> str:
        """The URL of the `thumbnail` or `image` of a tile."""
        address = f"{self.url}/items/{item}/{what}"
        if self.link is not None:
            return f"{address}?{urlencode({'link': self.link})}"
        if self.key is None:
            return address
        expires = (int(time.time()) // DAY + 2) * DAY  # the same URL all day, so that clients can cache pictures
        signature = _signature(self.key, self.collection, item, str(expires))
        return f"{address}?{urlencode({'expires': expires, 'key': self.key.name, 'signature': signature})}"


def place_of(request: Request, collection_id: str) -> Place:
    """The URL of a collection for the client of a request."""
    key: Any = getattr(request.state, "key", None)
    link: Any = getattr(request.state, "link", None)
    return Place(f"{str(request.base_url).rstrip('/')}/collections/{collection_id}", collection_id, key, link)


def is_signed(collection: str, item: str, query: QueryParams, named: Callable[[str], ApiKey | None]) -> bool:
    """Whether a link to a picture of a tile is signed and not expired. named: returns the key of a name, None if revoked."""
    expires, key = query.get("expires", ""), named(query.get("key", ""))
    if key is None or not (expires.isascii() and expires.isdecimal() and len(expires) < 12) or int(expires) < time.time():
        return False
    return hmac.compare_digest(_signature(key, collection, item, expires).encode(), query.get("signature", "").encode())


def _signature(key: ApiKey, *parts: str) -> str:
    message = "\n".join(("dyad picture", *parts))
    return hmac.new(key.digest, message.encode(), hashlib.sha256).hexdigest()[:32]
