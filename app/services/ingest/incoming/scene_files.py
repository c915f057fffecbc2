"""Brings scenes to the disk before they are read: fetched, stacked, and only an area of them where that is requested."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from app.domain.places.geometry import Bounds
from app.errors import InvalidInput
from app.imagery.raster.area_copy import Elsewhere, Readable, copy_area, covering, open_file
from app.imagery.raster.windows import TileGrid
from app.imagery.sources.band_stack import write_stack
from app.imagery.sources.file_kinds import FileKind, is_jpeg2000, sniff
from app.services.ingest.incoming.read_policy import ReadPolicy
from app.services.ingest.incoming.sources import BandFile, SourceFile

HEAD = 4096


@dataclass(frozen=True, slots=True)
class SceneFiles:
    """Fetches, stacks and crops scenes. staging: folder for the files, which are deleted after they have been read.

    max_bytes: limit of a fetched file, of stacked bands, and of the pixels of an area. grid: of the tiles.
    """

    staging: Path
    max_bytes: int
    read_policy: ReadPolicy
    grid: TileGrid

    def new_path(self, kind: str = "fetched") -> Path:
        """A path for a new file."""
        return self.staging / f"{kind}-{uuid.uuid4().hex}"

    def fetched(self, source: SourceFile) -> SourceFile:
        """The file at a URL. Of the area of a TIFF only the parts that contain it are read if the server sends parts."""
        path = source.path if source.path.name else self.new_path()
        fetched = replace(source, path=path, temporary=True, is_fetched=True)
        if source.area is not None:
            with self.read_policy.open(str(source.url)) as remote:
                if remote is not None and _is_tiff(remote) and self._copied(remote, source.area, path):
                    return replace(fetched, area=None)
        self.read_policy.fetch(str(source.url), path, self.max_bytes)
        return self.cropped(fetched)

    def cropped(self, source: SourceFile) -> SourceFile:
        """The area of a local file; the file itself if none is requested, or if it is no TIFF with a usable place."""
        if source.area is None or sniff(source.path) is not FileKind.RASTER or is_jpeg2000(source.path):
            return source
        target = self.new_path("area")
        with source.path.open("rb") as file:
            is_copied = self._copied(file, source.area, target)
        if not is_copied:
            return source
        if source.temporary:
            source.path.unlink(missing_ok=True)
        return replace(source, path=target, temporary=True, area=None)

    def stacked(self, source: SourceFile) -> SourceFile:
        """The file of stacked bands."""
        target = self.new_path("stack")
        with ExitStack() as stack:
            files = [(band.name, stack.enter_context(self._band(band, source.area))) for band in source.stack]
            area = None if source.area is None else (source.area, self.grid)
            write_stack(files, target, self.max_bytes, self.read_policy.check, area)
        return replace(source, path=target, temporary=True, stack=(), area=None)

    @contextmanager
    def _band(self, band: BandFile, area: Bounds | None) -> Iterator[Path | Readable]:
        """The file of a band: local, read in parts, or fetched for the block."""
        if band.path is not None:
            yield band.path
            return
        if area is not None:
            with self.read_policy.open(str(band.url)) as remote:
                if remote is not None and _is_tiff(remote):
                    yield remote
                    return
        path = self.new_path()
        try:
            self.read_policy.fetch(str(band.url), path, self.max_bytes)
            yield path
        finally:
            path.unlink(missing_ok=True)

    def _copied(self, file: Readable, area: Bounds, target: Path) -> bool:
        """Copy an area; False if the file has no place by which an area can be found."""
        with open_file(file) as dataset:
            try:
                box = covering(dataset, area, self.grid)
            except Elsewhere:
                raise
            except InvalidInput:
                return False
            copy_area(dataset, box, target, self.max_bytes, self.read_policy.check)
        return True


def _is_tiff(file: Readable) -> bool:
    file.seek(0)
    head = file.read(HEAD) or b""
    return sniff(head) is FileKind.RASTER and not is_jpeg2000(head)
