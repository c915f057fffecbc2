"""Windows of scenes as examples of a search: of any scene or STAC Item that the service may read, in the archive or not."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from app.domain.collections import Collection
from app.domain.indexes import Live
from app.domain.naming.urls import is_url
from app.domain.places.geometry import Bounds, Region
from app.domain.queries.search import SceneExample
from app.domain.scheduling.stac_selection import Conditions
from app.errors import InvalidInput
from app.imagery.raster.windows import TileGrid
from app.imagery.sources.stac_scenes import BandChoice
from app.imagery.tiling.cut_spec import CutSpec
from app.imagery.tiling.place_cut import MAX_TILES, cut_place
from app.services.catalogue.models import ModelService
from app.services.catalogue.tile_settings import cut_spec
from app.services.ingest.incoming.read_policy import ReadPolicy
from app.services.ingest.incoming.sources import Rejection, SourceFile
from app.services.ingest.incoming.unpacking import Unpacker

_LITTLE = 1e-7
"""Degrees, about a centimetre."""


@dataclass(frozen=True, slots=True)
class SceneWindows:
    """Cuts windows of scenes. staging: folder for fetched files, which are deleted at once. max_bytes: limit of each file."""

    models: ModelService
    read_policy: ReadPolicy
    staging: Path
    max_bytes: int
    max_pixels: int

    def read(self, collection: Collection, live: Live, examples: tuple[SceneExample, ...]) -> list[bytes]:
        """The windows as GeoTIFFs, prepared as tiles of the collection are. Of a TIFF on the web only these parts are read.

        Raises:
            Forbidden: a path or an address may not be read. InvalidInput: an example is no scene, or its window is not in it.
            UnreadableImage, TooLarge, Unavailable: the file.
        """
        if not examples:
            return []
        card = self.models.load(live.model).card
        spec = cut_spec(collection, card, self.max_pixels)
        around = TileGrid(collection.tile_size, max(1, collection.tile_size // 2))  # half a tile around a point, at least
        choice = BandChoice(collection.bands, len(card.bands), around)
        return [self._cut(example, spec, choice) for example in examples]

    def _cut(self, example: SceneExample, spec: CutSpec, choice: BandChoice) -> bytes:
        if is_url(example.href):
            source = SourceFile(example.href, Path(), url=example.href)
        else:
            source = SourceFile(example.href, self.read_policy.resolve(Path(example.href)))
        self.staging.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.staging) as folder:
            conditions = Conditions(region=_widened(example.place))
            unpacker = Unpacker(Path(folder), self.max_bytes, self.read_policy, choice, conditions=conditions)
            for path in _scenes(unpacker, source):
                window = cut_place(path, spec, example.place.bounds, None)
                if window is not None:
                    return window
        raise InvalidInput(
            f"{example.href}: the place is not in the scene, or more than {MAX_TILES} tiles wide; give a point or small region"
        )


def _widened(place: Region) -> Region:
    """The place, a little larger, since a point meets no window of a raster."""
    own = place.bounds
    return replace(place, bounds=Bounds(own.west - _LITTLE, own.south - _LITTLE, own.east + _LITTLE, own.north + _LITTLE))


def _scenes(unpacker: Unpacker, source: SourceFile) -> Iterator[Path]:
    """The files of the scenes; raises `InvalidInput` with the reason if there are none."""
    reasons = []
    is_found = False
    for found in unpacker.unpack(source):
        if isinstance(found, SourceFile):
            is_found = True
            yield found.path
        else:
            reasons.append(found.reason if isinstance(found, Rejection) else found.note)
    if not is_found:
        raise InvalidInput(f"{source.name}: {'; '.join(reasons[:3]) or 'it contains no scene'}")
