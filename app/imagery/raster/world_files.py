"""World files (`.tfw`, `.jgw`, `.pgw`, `.wld`): the georeference of an image in a text file beside it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rasterio
from rasterio.crs import CRS
from rasterio.errors import CRSError

MAX_BYTES = 65_536
_WGS84 = CRS.from_epsg(4326)


@dataclass(frozen=True, slots=True)
class WorldFile:
    """A geotransform, and its CRS, a `rasterio.CRS`."""

    transform: rasterio.Affine
    crs: Any


def find_world_file(path: Path, width: int, height: int) -> tuple[WorldFile | None, str | None]:
    """The placement of an image by the world file beside it, and a note if there is one that is not used.

    width, height: of the image, in pixels.

    The CRS is that of a `.prj` file; without one it is WGS 84 if all coordinates are degrees.
    """
    siblings = _siblings(path)
    world = next((siblings[ending] for ending in _endings(path) if ending in siblings), None)
    if world is None:
        return None, None
    transform = _parse(_text(world))
    if transform is None:
        return None, "indexed without a place: the world file does not consist of six numbers, one a line"
    projection = siblings.get(".prj")
    if projection is not None:
        try:
            return WorldFile(transform, CRS.from_wkt(_text(projection))), None
        except CRSError:
            return (
                None,
                f"the CRS in {projection.name} is not valid WKT, so {world.name} is not used; write the .prj file again",
            )
    if _is_in_degrees(transform, width, height):
        return WorldFile(transform, _WGS84), None
    return None, (
        "indexed without a place: the world file has coordinates but no CRS; put the CRS as WKT into a .prj file beside it, or"
        " assign it: gdal_translate -a_srs EPSG:CODE in.tif out.tif"
    )


def _siblings(path: Path) -> dict[str, Path]:
    """World files and the `.prj` file beside an image, by extension in lower case. Links are ignored."""
    found: dict[str, Path] = {}
    for ending in (*_endings(path), ".prj"):
        for file in (path.with_suffix(ending), path.with_suffix(ending.upper())):
            if file != path and _is_readable(file):
                found.setdefault(ending, file)
    return found


def _is_readable(file: Path) -> bool:
    try:
        return file.is_file() and not file.is_symlink() and file.stat().st_size <= MAX_BYTES
    except OSError:
        return False


def _endings(path: Path) -> list[str]:
    """Extensions of world files of an image: of `.tif`, `.tfw`, `.tifw` and `.wld`."""
    own = path.suffix.casefold()
    short = f".{own[1:2]}{own[-1:]}w" if len(own) > 2 else ""
    return [ending for ending in (short, own + "w" if own else "", ".wld") if ending]


def _text(path: Path) -> str:
    try:
        return path.read_text("ascii", "replace")
    except OSError:
        return ""


def _parse(text: str) -> rasterio.Affine | None:
    try:
        a, d, b, e, x, y = (float(line.replace(",", ".")) for line in text.split())
    except ValueError:
        return None
    if not all(map(math.isfinite, (a, d, b, e, x, y))) or a * e - b * d == 0:
        return None
    return rasterio.Affine(a, b, x - a / 2 - b / 2, d, e, y - d / 2 - e / 2)  # a world file has the centre of the first pixel


def _is_in_degrees(transform: rasterio.Affine, width: int, height: int) -> bool:
    corners = [transform @ corner for corner in ((0, 0), (width, 0), (0, height), (width, height))]
    size = max(abs(transform.a), abs(transform.b), abs(transform.d), abs(transform.e))
    return size <= 0.1 and all(-180.5 <= x <= 180.5 and -90.5 <= y <= 90.5 for x, y in corners)
