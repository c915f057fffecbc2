"""The tile: what the archive is made of. Its record travels as the payload of its point; there is no second catalogue."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.domain.geometry import GeoJSON

MAX_LABELS = 64
MAX_LABEL_LENGTH = 128
VANISHED_AT = "vanished_at"
"""The property of a tile whose file was no longer there when its schedule looked; it goes when the file is back."""
BandRange = tuple[float, float]
"""Raw values of a band that become 0 and 255 for the model."""


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
class Tile:
    """One indexed tile.

    id: UUIDv5 of (collection, source, window).
    source: the name under which the file came (`folder/name.jpg`, `archive.zip/name.jpg`, an absolute path for `href`).
    file_name: the last part of `source`, for people.
    content_hash: hex digest over the file's bytes and everything else that shaped the tile; equal means unchanged.
    image: key of the stored original in the blob store; preview: key of a browser-ready picture, or None if the original is.
    geometry: GeoJSON footprint in WGS 84, or None for a tile without a place.
    datetime: acquisition time, aware UTC, or None.
    gsd: ground sample distance in metres, or None.
    stretch: raw values of each of the model's bands that became 0 and 255; None where 8-bit values were taken as they are, and
        in records older than this field. With it the model's pixels can be made again from the stored image alone.
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


@dataclass(frozen=True, slots=True)
class Embeddings:
    """What a model makes of N tiles, in their order.

    embedding: (N, D) float32, L2-normalised.
    feature: (N, F) float16 backbone output, or None where the model has none.
    pair: (N, P) uint8 candidate half of the matcher's first layer, or None.
    """

    embedding: NDArray[np.float32]
    feature: NDArray[np.float16] | None = None
    pair: NDArray[np.uint8] | None = None

    def __len__(self) -> int:
        return len(self.embedding)

    def rows(self, chosen: slice | NDArray[np.intp]) -> Embeddings:
        """Those of some of the tiles."""
        feature, pair = self.feature, self.pair
        return Embeddings(
            self.embedding[chosen], None if feature is None else feature[chosen], None if pair is None else pair[chosen]
        )
