"""The order of a list of tiles by their properties."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from app.domain.queries.cql2.values import plain_name, read_property
from app.domain.tiles import Tile
from app.errors import InvalidInput

MAX_KEYS = 10
_KINDS: tuple[tuple[type, ...], ...] = ((bool,), (int, float), (str,), (datetime,))


class Sorted(NamedTuple):
    """A place in a sorted list: the number of tiles up to it, and the id of the last one."""

    number: int
    id: str


@dataclass(frozen=True, slots=True)
class SortKey:
    """A property, and whether its largest value comes first."""

    name: str
    descending: bool = False


def parse_sorting(value: str | Iterable[Mapping[str, str]] | None) -> tuple[SortKey, ...]:
    """The keys of `sortby`: names separated by commas with a prefix `+` or `-`, or objects `{"field", "direction"}`.

    Raises:
        InvalidInput: it is neither.
    """
    if value is None:
        return ()
    if isinstance(value, str):
        parts = [each.strip() for each in value.split(",")]
        keys = [SortKey(plain_name(each.lstrip("+-").strip()), each.startswith("-")) for each in parts]
    else:
        keys = [SortKey(plain_name(each["field"]), each.get("direction", "asc") == "desc") for each in value]
    if len(keys) > MAX_KEYS or any(not key.name or key.name == "geometry" for key in keys):
        raise InvalidInput(f"sortby is not valid: send up to {MAX_KEYS} property names, for example -datetime,file_name")
    return tuple(keys)


def sorted_ids(tiles: Iterable[Tile], keys: tuple[SortKey, ...]) -> list[str]:
    """Ids of tiles in order; tiles without a value come last, and equal ones are ordered by id."""
    readers = [read_property(key.name) for key in keys]
    rows = sorted(((tile.id, [read(tile) for read in readers]) for tile in tiles), key=lambda row: row[0])
    for at in reversed(range(len(keys))):
        known = [row for row in rows if row[1][at] is not None]
        unknown = [row for row in rows if row[1][at] is None]
        known.sort(key=lambda row: _comparable(row[1][at]), reverse=keys[at].descending)
        rows = known + unknown
    return [item for item, _ in rows]


def _comparable(value: Any) -> tuple[int, Any]:
    """A value that can be compared with those of other types: numbers before texts before times before all others."""
    for rank, kinds in enumerate(_KINDS):
        if isinstance(value, kinds):
            return rank, value
    return len(_KINDS), str(value)
