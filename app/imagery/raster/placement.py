"""The placement of a raster on Earth: geotransform or ground control points, CRS, and the turn that makes it north up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyproj
import rasterio
from pyproj.exceptions import CRSError, ProjError
from rasterio.control import GroundControlPoint
from rasterio.io import DatasetReader
from rasterio.transform import GCPTransformer, from_gcps

from app.domain.tiles import Grid, Window
from app.errors import InvalidInput
from app.imagery.footprints import Floats, Georeference
from app.imagery.raster.gdal import GDAL_ERRORS
from app.imagery.raster.orientation import Turn
from app.imagery.raster.world_files import WorldFile


class Placement:
    """The placement of an open raster.

    has_transform: whether the geotransform of `dataset` is defined. turn: brings the pixels north up.
    """

    def __init__(self, dataset: DatasetReader, *, has_transform: bool) -> None:
        self._dataset = dataset
        self._transform = dataset.transform if has_transform else rasterio.Affine.identity()
        self._file_crs: Any = dataset.crs
        self.turn = self._find_turn()

    @property
    def is_known(self) -> bool:
        """Whether the file has a geotransform or ground control points, with or without a known CRS."""
        return bool(self._gcps) or not self._has_no_transform

    @property
    def has_rpc(self) -> bool:
        """Whether rational polynomial coefficients are the only georeference."""
        return not self.is_known and bool(self._dataset.rpcs)

    @property
    def crs(self) -> str | None:
        """`EPSG:32618` or the like, WKT where there is no code, None without a CRS."""
        crs = self._crs
        if not crs:
            return None
        authority = crs.to_authority()
        return ":".join(authority) if authority else str(crs.to_wkt())

    def use(self, world_file: WorldFile) -> None:
        """Use the georeference of a world file."""
        self._transform, self._file_crs = world_file.transform, world_file.crs
        self.turn = self._find_turn()

    def georeference(self) -> Georeference:
        """The georeference of the pixels.

        Raises:
            InvalidInput: there is no CRS, or it cannot be transformed to WGS 84, or the geotransform is degenerate.
        """
        if not self._crs:
            raise InvalidInput(
                "the file has coordinates but no coordinate reference system (CRS); assign it, for example"
                " gdal_edit.py -a_srs EPSG:32614 file.tif, or give geometry or bbox in the metadata"
            )
        if self._gcps:
            try:
                points = GCPTransformer(self._gcps)
            except GDAL_ERRORS:
                raise InvalidInput(
                    "the ground control points do not fit together; warp the file (gdalwarp) and send the result"
                ) from None
            return Georeference(lambda cols, rows: _finite_xy(points.xy(rows, cols, offset="ul")), self._crs.to_wkt())
        matrix = self._transform
        if not np.isfinite(matrix[:6]).all() or matrix.determinant == 0:
            raise InvalidInput(
                "the geotransform of the file is degenerate: its pixels have no area; georeference the file again"
            )
        return Georeference.of_affine(matrix[:6], self._crs.to_wkt())

    def pixels_at(self, lons: Floats, lats: Floats) -> tuple[Floats, Floats] | None:
        """Columns and rows of positions in WGS 84; None without a geotransform or CRS."""
        matrix = self._transform
        if self._gcps or not self._crs or matrix.determinant == 0:
            return None
        try:
            to_crs = pyproj.Transformer.from_crs("OGC:CRS84", pyproj.CRS.from_wkt(self._crs.to_wkt()), always_xy=True)
            x, y = to_crs.transform(lons, lats)
        except (CRSError, ProjError):
            return None
        a, b, c, d, e, f = (~matrix)[:6]
        return a * x + b * y + c, d * x + e * y + f

    def profile(self, window: Window) -> dict[str, Any]:
        """The rasterio profile entries that place a copy of a window: `crs`, and `transform` or `gcps`."""
        if self._gcps:
            points = [GroundControlPoint(p.row - window.row, p.col - window.col, p.x, p.y, p.z) for p in self._gcps]
            return {"crs": self._crs, "gcps": points}
        a, b, c, d, e, f = self._transform[:6]
        corner = (a * window.col + b * window.row + c, d * window.col + e * window.row + f)
        return {"crs": self._crs, "transform": rasterio.Affine(a, b, corner[0], d, e, corner[1])}

    def grid(self, window: Window) -> Grid | None:
        """The grid of a copy of a window; None without a geotransform or an EPSG code."""
        code = self._crs.to_epsg() if self._crs and not self._gcps and not self._has_no_transform else None
        if code is None:
            return None
        return Grid(code, window.width, window.height, tuple(self.profile(window)["transform"][:6]))

    def _find_turn(self) -> Turn:
        if not self.is_known:
            return Turn()
        try:
            matrix = from_gcps(self._gcps) if self._gcps else self._transform
        except GDAL_ERRORS:
            return Turn()
        return Turn.of((matrix.a, matrix.b, matrix.d, matrix.e))

    @property
    def _gcps(self) -> list[GroundControlPoint]:
        return list(self._dataset.gcps[0]) if self._has_no_transform else []

    @property
    def _crs(self) -> Any:
        return self._dataset.gcps[1] if self._gcps else self._file_crs

    @property
    def _has_no_transform(self) -> bool:
        a, b, c, d, e, f = self._transform[:6]
        return (a, b, c, d, abs(e), f) == (1, 0, 0, 0, 1, 0)


def _finite_xy(xy: tuple[Any, Any]) -> tuple[Floats, Floats]:
    return np.asarray(xy[0], np.float64), np.asarray(xy[1], np.float64)
