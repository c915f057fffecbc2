"""Records of tiles, and how metadata that is sent again changes them.

Labels and properties belong to the picture, not to the upload. While the picture is the same, metadata changes only the fields
that it names, and of these only values that differ from the ones sent last; so edits made by users since then stay.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import Any, Self

from app.domain.temporal import format_instant
from app.domain.tiles import MAX_LABELS, VANISHED_AT, Tile
from app.services.ingest.incoming.sources import SourceFile

LABELS, DATETIME, GEOMETRY, PROPERTY = "labels", "datetime", "geometry", "properties."
DIGEST = 12


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a file. content, picture: as `content_hash` and `picture_hash` of its tiles."""

    content: str
    picture: str

    def contains(self, tile: Tile, *, is_whole: bool) -> bool:
        """Whether an indexed tile belongs to this version. is_whole: whether the file is one tile, not cut into windows."""
        is_same = tile.content_hash == self.content or tile.picture_hash == self.picture
        return is_same and (tile.window is None) == is_whole


@dataclass(frozen=True, slots=True)
class SentMetadata:
    """The metadata of one version of a file.

    values: the fields that it names: `labels`, `datetime`, `geometry`, and `properties.NAME` for each property.
    place_if_missing: as in `SourceFile`.
    """

    version: Version
    values: dict[str, Any]
    place_if_missing: bool

    @classmethod
    def of(cls, source: SourceFile, version: Version) -> Self:
        """The metadata of a file. An empty list of labels counts, except for STAC items, which always have one.

        Raises:
            InvalidInput: the place is not valid.
        """
        metadata = source.metadata
        has_labels = "labels" in metadata.model_fields_set and not source.place_if_missing
        values: dict[str, Any] = {f"{PROPERTY}{name}": value for name, value in metadata.properties.items()}
        place = metadata.footprint()
        if metadata.labels or has_labels:
            values[LABELS] = metadata.labels
        if metadata.datetime is not None:
            values[DATETIME] = metadata.datetime
        if place is not None:
            values[GEOMETRY] = place
        return cls(version, values, source.place_if_missing)

    def changes(self, tile: Tile) -> bool:
        """Whether it names a value that was not sent before."""
        return tile.sent is None or bool(self._new(tile))

    def applied(self, tile: Tile) -> Tile:
        """The record of a tile with the same picture, with this metadata and this version."""
        new = self._new(tile)
        properties = {name: value for name, value in tile.properties.items() if name != VANISHED_AT}
        properties |= {name.removeprefix(PROPERTY): value for name, value in new.items() if name.startswith(PROPERTY)}
        labels: tuple[str, ...] = new.get(LABELS, tile.labels)
        if tile.sent is None:  # an older record, which does not tell sent labels from those that a user added
            labels = tuple(dict.fromkeys((*tile.labels, *labels)))[:MAX_LABELS]
        return replace(
            tile,
            content_hash=self.version.content,
            picture_hash=self.version.picture,
            geometry=new.get(GEOMETRY, tile.geometry),
            datetime=new.get(DATETIME, tile.datetime),
            labels=labels,
            properties=properties,
            mark=None,
            sent={**(tile.sent or {}), **{name: _digest(value) for name, value in new.items()}},
        )

    def applied_to_cut(self, tile: Tile, before: Tile) -> Tile:
        """The record of a newly cut tile that has the same picture as its earlier version `before`.

        tile: without metadata. The file's own place, time and properties replace earlier ones, except those that were sent.
        """
        sent = before.sent or {}
        own = {name: value for name, value in tile.properties.items() if f"{PROPERTY}{name}" not in sent}
        kept = replace(
            tile,
            geometry=before.geometry if GEOMETRY in sent else tile.geometry or before.geometry,
            datetime=before.datetime if DATETIME in sent else tile.datetime or before.datetime,
            labels=before.labels,
            properties={**before.properties, **own},
            sent=before.sent,
        )
        return self.applied(kept)

    def _new(self, tile: Tile) -> dict[str, Any]:
        """The named values that were not the last ones sent for the tile."""
        sent = tile.sent or {}
        has_own_place = tile.geometry is not None and GEOMETRY not in sent
        if tile.sent is None and tile.window is None:
            has_own_place = False  # an older record of a whole file; the metadata of a placed file cuts it into windows
        new = {name: value for name, value in self.values.items() if sent.get(name) != _digest(value)}
        if self.place_if_missing and has_own_place:
            new.pop(GEOMETRY, None)
        return new


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, default=format_instant)
    return hashlib.sha256(text.encode()).hexdigest()[:DIGEST]
