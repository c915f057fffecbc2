"""The types of the properties of a collection's tiles, over all of its tiles."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from threading import Lock
from typing import Any

from app.domain.queries.cql2.values import BUILT_IN
from app.domain.queries.search import TileFilter
from app.domain.tiles import Tile
from app.errors import InvalidInput
from app.ports import VectorStore
from app.services.catalogue.collections import CollectionService
from app.services.catalogue.items import walk

MAX_CACHED = 64
TIME = "date-time"
"""The type of texts that are all RFC 3339 times."""
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")

Types = Mapping[str, str]
"""JSON types of properties by name, `date-time` for times, `mixed` for values of different types."""


class PropertyTypes:
    """Reads the types of a live index, and caches them until a tile is written."""

    def __init__(self, collections: CollectionService, vectors: VectorStore) -> None:
        self._collections = collections
        self._vectors = vectors
        self._lock = Lock()
        self._cache: OrderedDict[tuple[str, int], Types] = OrderedDict()

    def types(self, collection_id: str) -> Types:
        """The types of all properties of the tiles of a collection, by name.

        Raises:
            NotFound: the collection.
        """
        index = self._collections.live(collection_id).index
        key = index, self._vectors.stats(index).generation
        with self._lock:
            if key in self._cache:
                self._cache.move_to_end(key)
                return self._cache[key]
        found = merged(walk(self._vectors, index, TileFilter()))
        with self._lock:
            self._cache[key] = found
            while len(self._cache) > MAX_CACHED:
                self._cache.popitem(last=False)
        return found

    def check(self, collection_ids: Sequence[str], names: Iterable[str], parameter: str) -> None:
        """Check that each name is a property of a tile in any of the collections. parameter: that names them.

        Raises:
            InvalidInput: a name is not; the message has the most similar one. NotFound: a collection.
        """
        unknown = {*names} - {*BUILT_IN}
        known: set[str] = set()
        for collection_id in collection_ids:
            if not unknown - known:
                return
            known |= {*self.types(collection_id)}
        for name in sorted(unknown - known):
            nearest = get_close_matches(name, [*known, *BUILT_IN], n=1)
            hint = f"; did you mean {nearest[0]!r}?" if nearest else ";"
            raise InvalidInput(f"{parameter}: no item has a property {name[:100]!r}{hint} see /queryables of the collection")


def merged(tiles: Iterable[Tile]) -> Types:
    """The types of the properties of tiles; a property that is null everywhere is a text."""
    found: dict[str, str | None] = {}
    for tile in tiles:
        for name, value in tile.properties.items():
            kind = json_type(value)
            before = found.get(name)
            found[name] = kind if before is None else before if kind is None else _common(before, kind)
    return {name: kind or "string" for name, kind in sorted(found.items())}


def json_type(value: Any) -> str | None:
    """The type of a value; None for null."""
    if value is None:
        return None
    if isinstance(value, str):
        return TIME if _TIME.fullmatch(value) else "string"
    kinds = {bool: "boolean", int: "integer", float: "number", list: "array", dict: "object"}
    return kinds.get(type(value), "string")


def _common(one: str, other: str) -> str:
    both = {one, other}
    if len(both) == 1:
        return one
    if both == {"integer", "number"}:
        return "number"
    return "string" if both == {"string", TIME} else "mixed"
