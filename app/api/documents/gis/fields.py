"""The members of features that a client asks for: `fields` (STAC) and `properties` (OGC API Features)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from app.api.documents.base import Document
from app.errors import InvalidInput

MAX_FIELDS = 100
_MEMBERS = (
    "type", "stac_version", "stac_extensions", "id", "collection", "geometry", "bbox", "properties", "assets", "links",
    "near_copies", "match",
)  # fmt: skip
_ALWAYS = ("type", "id")
_PREFIX = "properties."


@dataclass(frozen=True, slots=True)
class Fields:
    """Names of members (`geometry`) and properties (`gsd`, or `properties.gsd`).

    include: what is returned beside `type` and `id`; everything if empty. exclude: what is not returned.
    """

    include: frozenset[str] = frozenset()
    exclude: frozenset[str] = frozenset()

    def apply(self, feature: Document) -> Document:
        """A feature with the chosen members; `geometry` and `properties` stay as null and {}, so that it is GeoJSON."""
        if not self.include and not self.exclude:
            return feature
        members, properties = self._split(self.include)
        without, hidden = self._split(self.exclude - self.include)  # a name in both is returned
        has_all = (not self.include or "properties" in members) and "properties" not in without
        if not properties.isdisjoint(feature["properties"]):
            without.discard("properties")
        chosen = {
            name: value
            for name, value in feature.items()
            if (not self.include or name in members or name in _ALWAYS) and (name not in without or name in _ALWAYS)
        }
        shown = {
            name: value
            for name, value in feature["properties"].items()
            if (has_all or name in properties) and name not in hidden
        }
        return {**chosen, "geometry": chosen.get("geometry"), "properties": shown}

    @staticmethod
    def _split(names: Iterable[str]) -> tuple[set[str], set[str]]:
        members = {name for name in names if name in _MEMBERS}
        return members, {name.removeprefix(_PREFIX) for name in names if name not in members}


def parse_fields(text: str | None, properties: str | None = None) -> Fields:
    """The fields of a query string: names separated by commas; `-` before a name leaves it out.

    properties: names of properties only, which are returned with all other members.

    Raises:
        InvalidInput: too many names, or both parameters.
    """
    if text is not None and properties is not None:
        raise InvalidInput("fields and properties exclude each other; send one of them")
    if properties is not None:
        names = _names(properties, "properties")
        return Fields(frozenset({*_MEMBERS} - {"properties"} | {f"{_PREFIX}{name}" for name in names}))
    names = _names(text or "", "fields")
    include = frozenset(name.removeprefix("+") for name in names if not name.startswith("-"))
    return Fields(include, frozenset(name.removeprefix("-") for name in names if name.startswith("-")))


def fields_of(value: Any) -> Fields:
    """The fields of a JSON body: `{"include": [...], "exclude": [...]}`."""
    return Fields() if value is None else Fields(frozenset(value.include or ()), frozenset(value.exclude or ()))


def _names(text: str, parameter: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if len(names) > MAX_FIELDS:
        raise InvalidInput(f"{parameter} lists {len(names)} names; the limit is {MAX_FIELDS}")
    return names
