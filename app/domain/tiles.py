"""Tiles. The record of a tile is stored as the payload of its point; there is no second catalogue."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.domain.places.geometry import GeoJSON

MAX_LABELS = 64
MAX_LABEL_LENGTH = 128
VANISHED_AT = "vanished_at"
"""Property of a tile whose file was missing at a run of its schedule; it is removed when the file exists again."""
BandRange = tuple[float, float]
"""The raw values of a band that are scaled to 0 and 255."""


@dataclass(frozen=True, slots=True)
class Window:
    """Pixels of a scene: column and row of the upper left corner, width and height, all in pixels of the full raster."""

    col: int
    row: int
    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.col},{self.row},{self.width},{self.height}"

    @classmethod
    def parse(cls, text: str) -> Window:
        """The inverse of `str(window)`."""
        col, row, width, height = (int(part) for part in text.split(","))
        return cls(col, row, width, height)


@dataclass(frozen=True, slots=True)
class Grid:
    """The place of the pixels of a stored image: x = a col + b row + c, y = d col + e row + f in the CRS EPSG:`epsg`.

    width, height: of the image in pixels. transform: a, b, c, d, e, f.
    """

    epsg: int
    width: int
    height: int
    transform: tuple[float, float, float, float, float, float]

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Smallest x, smallest y, largest x and largest y in the units of the CRS."""
        a, b, c, d, e, f = self.transform
        corners = [(col, row) for col in (0, self.width) for row in (0, self.height)]
        xs = [a * col + b * row + c for col, row in corners]
        ys = [d * col + e * row + f for col, row in corners]
        return min(xs), min(ys), max(xs), max(ys)


NO_IMAGE = "no-image"
"""The image key of tiles whose embeddings were imported without images; no blob has it."""


@dataclass(frozen=True, slots=True)
class Tile:
    """One indexed tile.

    id: UUIDv5 of (collection, source, window).
    source: source name of the file (`folder/name.jpg`, `archive.zip/name.jpg`, an absolute path or URL for `href`).
    file_name: the last part of `source`.
    content_hash: hex digest over the file's bytes, its metadata and the collection's settings; equal means unchanged.
    picture_hash: the same without the metadata; tiles with equal hashes and windows show the same picture. None in records
        older than this field.
    image: blob key of the stored image. preview: blob key of a browser-ready image, None if the stored image is browser-ready.
    geometry: GeoJSON footprint in WGS 84, or None for a tile without a place.
    datetime: acquisition time, aware UTC, or None.
    gsd: ground sample distance in metres, or None.
    stretch: for each band of the model, the raw values that were scaled to 0 and 255; None if 8-bit values were not scaled, and
        in records older than this field. The model's pixels can be computed again from it and the stored image.
    sent: digests of the metadata values that were sent last with the file, by field; see `app.services.ingest.tile_records`.
        None in records older than this field.
    grid: of the stored image, None if it has no geotransform or its CRS has no EPSG code, and in records older than this field.
    mark: of its whole file, in one tile of the file; see `app.services.ingest.incoming.file_marks`.
    """

    id: str
    source: str
    file_name: str
    content_hash: str
    image: str
    indexed_at: datetime
    preview: str | None = None
    window: Window | None = None
    geometry: GeoJSON | None = None
    datetime: datetime | None = None
    gsd: float | None = None
    labels: tuple[str, ...] = ()
    properties: dict[str, Any] = field(default_factory=dict)
    stretch: tuple[BandRange, ...] | None = None
    picture_hash: str | None = None
    sent: dict[str, str] | None = None
    grid: Grid | None = None
    mark: str | None = None

    @property
    def has_image(self) -> bool:
        """Whether the tile has an image; imported embeddings have none."""
        return self.image != NO_IMAGE


@dataclass(frozen=True, slots=True)
class LabelEdit:
    """A change of the labels of a tile that leaves other labels as they are. remove: labels that the tile need not have."""

    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()

    def applied(self, labels: tuple[str, ...]) -> tuple[str, ...]:
        """The labels after the change; added ones come last."""
        return tuple(dict.fromkeys((*(label for label in labels if label.strip() not in self.remove), *self.add)))


@dataclass(frozen=True, slots=True)
class Embeddings:
    """The vectors of N tiles, in their order.

    embedding: (N, D) float32, L2-normalised.
    feature: (N, F) float16 backbone features, None if the model has none.
    pair: (N, P) uint8 candidate features (the candidate's side of the matcher's first layer), None without a matcher.
    """

    embedding: NDArray[np.float32]
    feature: NDArray[np.float16] | None = None
    pair: NDArray[np.uint8] | None = None

    def __len__(self) -> int:
        return len(self.embedding)

    def rows(self, chosen: slice | NDArray[np.intp]) -> Embeddings:
        """The vectors of the chosen tiles."""
        feature, pair = self.feature, self.pair
        return Embeddings(
            self.embedding[chosen], None if feature is None else feature[chosen], None if pair is None else pair[chosen]
        )
