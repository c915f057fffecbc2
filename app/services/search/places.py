"""Places as examples of a search: the window of the scene that covers a place, or else the covering tile."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from app.domain.collections import Collection
from app.domain.indexes import Live
from app.domain.places.geometry import Region, footprint_centre
from app.domain.queries.search import SearchQuery, TileFilter
from app.domain.temporal import Interval
from app.domain.tiles import Tile
from app.errors import DyadError, NotFound
from app.imagery.tiling.place_cut import cut_place
from app.ports import VectorStore
from app.services.catalogue.models import ModelService
from app.services.catalogue.tile_settings import cut_spec

log = logging.getLogger(__name__)

Resolve = Callable[[Path], Path]
MAX_COVERING = 1000
"""Tiles at a place that are compared; one place has as many only in a long time series."""


@dataclass(frozen=True, slots=True)
class PlaceExamples:
    """Examples at places. images, negative_images: windows of scenes as GeoTIFFs. ids, negative_ids: tiles."""

    images: list[bytes] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    negative_images: list[bytes] = field(default_factory=list)
    negative_ids: list[str] = field(default_factory=list)

    def added_to(self, query: SearchQuery) -> SearchQuery:
        """The query with the tiles among its examples."""
        return replace(
            query,
            positives=(*query.positives, *self.ids),
            negatives=(*query.negatives, *self.negative_ids),
            places=(),
            not_places=(),
        )


class PlaceReader:
    """Finds what shows a place. resolve: the path of a scene that may be read; raises a `DyadError` for another one."""

    def __init__(self, models: ModelService, vectors: VectorStore, resolve: Resolve, max_pixels: int) -> None:
        self._models = models
        self._vectors = vectors
        self._resolve = resolve
        self._max_pixels = max_pixels

    def read(self, collection: Collection, live: Live, query: SearchQuery) -> PlaceExamples:
        """The examples at the places of a query, of the newest scene, or of the newest within its `datetime`.

        Raises:
            NotFound: no tile covers a place.
        """
        found = PlaceExamples()
        interval = query.filter.interval
        for places, images, ids in (
            (query.places, found.images, found.ids),
            (query.not_places, found.negative_images, found.negative_ids),
        ):
            for place in places:
                tile = self._covering(live, place, interval)
                image = self._cut(collection, live, place, tile)
                if image is None:
                    ids.append(tile.id)
                else:
                    images.append(image)
        return found

    def _covering(self, live: Live, place: Region, interval: Interval | None) -> Tile:
        """The tile of the newest date at the place; of several, the one whose centre is nearest."""
        tile_filter = TileFilter(region=place, interval=interval)
        tiles = self._vectors.scroll(live.index, limit=MAX_COVERING, filter=tile_filter).tiles
        if not tiles:
            bounds = place.bounds
            raise NotFound(
                f"no tile covers the place {(bounds.west + bounds.east) / 2:g}, {(bounds.south + bounds.north) / 2:g}"
                f"{'' if interval is None else ' at this time'}; the extent of the collection is in its document"
            )
        newest = max((tile.datetime for tile in tiles if tile.datetime is not None), default=None)
        return min((tile for tile in tiles if tile.datetime == newest), key=lambda tile: (_distance(tile, place), tile.id))

    def _cut(self, collection: Collection, live: Live, place: Region, tile: Tile) -> bytes | None:
        """The window of the tile's scene; None if the scene cannot be read."""
        path = Path(tile.source)
        if tile.window is None or not path.is_absolute():
            return None
        spec = cut_spec(collection, self._models.load(live.model).card, self._max_pixels)
        try:
            return cut_place(self._resolve(path), spec, place.bounds, tile.stretch)
        except (DyadError, OSError) as error:
            log.info("the covering tile is used, as the scene cannot be read: %s", error)
            return None


def _distance(tile: Tile, place: Region) -> float:
    """Squared degrees between the centres of a tile and a place."""
    if tile.geometry is None:
        return float("inf")
    lon, lat = footprint_centre(tile.geometry)
    bounds = place.bounds
    east = (lon - (bounds.west + bounds.east) / 2 + 180) % 360 - 180
    north = lat - (bounds.south + bounds.north) / 2
    return east * east + north * north
