"""Links to layers for programs that cannot send a key: they expire, and can be revoked."""

from __future__ import annotations

import hashlib
import secrets
import time
from datetime import UTC, datetime, timedelta
from threading import Lock

from pydantic import BaseModel, ConfigDict, ValidationError

from app.errors import DyadError, NotFound
from app.ports import Blobs

LINKS = "links/"
"""Key prefix: `links/{collection}/{id}.json`; the id is a digest of the secret, which is not stored."""
MAX_SECONDS = 366 * 86_400
CACHE_SECONDS = 5.0
"""How long a link that was read counts as unchanged: a revoked one is refused after that time everywhere."""


class SharedLink(BaseModel):
    """A link to a layer. layer: the collection or saved search that it opens. collection: whose pictures it opens."""

    model_config = ConfigDict(frozen=True)

    id: str
    layer: str
    collection: str
    expires: datetime
    created: datetime


class SharedLinks:
    """Creates, checks and revokes links. They are deleted together with their collection."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._lock = Lock()
        self._known: dict[str, tuple[float, SharedLink | None]] = {}

    def create(self, layer: str, collection: str, seconds: int) -> tuple[SharedLink, str]:
        """A new link, and its secret."""
        secret = f"{secrets.token_urlsafe(24)}.{collection}"
        now = datetime.now(UTC)
        link = SharedLink(
            id=_digest(secret), layer=layer, collection=collection, expires=now + timedelta(seconds=seconds), created=now
        )
        self._blobs.put(_key(collection, link.id), link.model_dump_json().encode())
        return link, secret

    def of_layer(self, layer: str, collection: str) -> list[SharedLink]:
        """The links to a layer that have not expired, the newest first."""
        found = [self._read(key) for key in self._blobs.keys(f"{LINKS}{collection}/")]
        now = datetime.now(UTC)
        chosen = [each for each in found if each is not None and each.layer == layer and each.expires > now]
        return sorted(chosen, key=lambda each: each.created, reverse=True)

    def revoke(self, layer: str, collection: str, link_id: str) -> None:
        """Make a link invalid.

        Raises:
            NotFound: the layer has no such link.
        """
        if all(each.id != link_id for each in self.of_layer(layer, collection)):
            raise NotFound(f"no link {link_id!r} to {layer!r}; GET the links of the layer")
        self._blobs.delete([_key(collection, link_id)])
        with self._lock:
            self._known.clear()

    def allows(self, secret: str, layer: str, *, is_picture: bool) -> bool:
        """Whether a link with this secret opens a layer, or the pictures of a collection."""
        collection = secret.partition(".")[2]
        if not collection or "/" in collection or len(secret) > 200:
            return False
        link = self._cached(_key(collection, _digest(secret)))
        if link is None or link.expires <= datetime.now(UTC):
            return False
        return layer == link.layer or (is_picture and layer == link.collection)

    def owners(self) -> list[str]:
        """Ids of the collections that have links, sorted."""
        return sorted({key.removeprefix(LINKS).partition("/")[0] for key in self._blobs.keys(LINKS)})

    def delete(self, collection_id: str) -> None:
        """Delete all links of a collection."""
        self._blobs.delete_prefix(f"{LINKS}{collection_id}/")

    def _cached(self, key: str) -> SharedLink | None:
        now = time.monotonic()
        with self._lock:
            at, link = self._known.get(key, (float("-inf"), None))
        if now - at < CACHE_SECONDS:
            return link
        try:
            link = self._read(key)
        except DyadError:  # the store does not answer: no access without a check
            return None
        with self._lock:
            if len(self._known) > 10_000:
                self._known.clear()
            self._known[key] = now, link
        return link

    def _read(self, key: str) -> SharedLink | None:
        try:
            return SharedLink.model_validate_json(self._blobs.get(key))
        except (NotFound, ValidationError):
            return None


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()[:32]


def _key(collection: str, link_id: str) -> str:
    return f"{LINKS}{collection}/{link_id}.json"
