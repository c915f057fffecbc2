"""Makers of real image files, good and bad, for every test that needs one. Each writes to `path` and returns it."""

from __future__ import annotations

import io
import struct
import warnings
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from PIL import Image
from rasterio.control import GroundControlPoint
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning

NORTH_UP = rasterio.Affine(1.0, 0, 500_000, 0, -1.0, 5_200_000)
"""One metre pixels; use with a UTM zone of the northern hemisphere."""


def textured(bands: int = 3, height: int = 64, width: int = 64, dtype: str = "uint8", seed: int = 0) -> NDArray[Any]:
    """(bands, height, width) values that use the range of the type as real images do, never 0."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(0.15, 0.85, (bands, height // 8 + 1, width // 8 + 1))
    smooth = np.kron(coarse, np.ones((8, 8)))[:, :height, :width]
    grain = rng.normal(0, 0.05, (1, height, width))  # the same in all bands, which lossy formats keep
    values = np.clip(smooth + grain, 0.02, 0.98)
    ranges = {"uint8": 255, "uint16": 4000, "int16": 4000, "float32": 0.5, "float64": 0.5, "uint32": 100_000, "int8": 127}
    return (values * ranges[dtype]).astype(dtype)


def geotiff(
    path: Path,
    values: NDArray[Any] | None = None,
    *,
    crs: str | None = "EPSG:32614",
    transform: rasterio.Affine | None = NORTH_UP,
    mask: NDArray[np.bool_] | None = None,
    gcps: Sequence[GroundControlPoint] = (),
    names: Sequence[str | None] = (),
    colours: Sequence[ColorInterp] = (),
    tags: Mapping[str, str] | None = None,
    palette: Mapping[int, tuple[int, int, int, int]] | None = None,
    overviews: Sequence[int] = (),
    **profile: Any,
) -> Path:
    """Any GeoTIFF. values: (B, H, W). mask: (H, W), True where valid, stored inside the file."""
    values = textured() if values is None else values
    place: dict[str, Any] = {"gcps": list(gcps)} if gcps else {"transform": transform}
    place["crs"] = rasterio.CRS() if gcps and crs is None else crs
    count, height, width = values.shape
    with warnings.catch_warnings(), rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(
            path, "w", driver="GTiff", width=width, height=height, count=count, dtype=values.dtype, **place, **profile
        ) as target:
            if colours:
                target.colorinterp = tuple(colours)
            target.write(values)
            if names:
                target.descriptions = tuple(names)
            if palette is not None:
                target.write_colormap(1, dict(palette))
            if mask is not None:
                target.write_mask(mask)
            if tags:
                target.update_tags(**tags)
            if overviews:
                target.build_overviews(list(overviews))
    return path


def rgb_tif(path: Path, height: int = 300, width: int = 420, seed: int = 0, **options: Any) -> Path:
    """A scene of 8-bit colours in UTM zone 14 north, 1 m, tiled."""
    values = textured(3, height, width, seed=seed)
    return geotiff(path, values, photometric="RGB", tiled=True, blockxsize=128, blockysize=128, **options)


def rotated_tif(path: Path) -> Path:
    """A scene turned by 30 degrees."""
    return geotiff(path, textured(3, 128, 128), transform=_rotated(30))


def southern_tif(path: Path) -> Path:
    """A scene near Sydney, UTM zone 56 south."""
    return geotiff(path, textured(3, 128, 128), crs="EPSG:32756", transform=rasterio.Affine(10, 0, 334_000, 0, -10, 6_252_000))


def antimeridian_tif(path: Path) -> Path:
    """A scene near Fiji, UTM zone 60 south, 1 km pixels, that crosses 180 degrees about its middle."""
    values = textured(3, 128, 128)
    return geotiff(path, values, crs="EPSG:32760", transform=rasterio.Affine(1000, 0, 760_000, 0, -1000, 8_100_000))


def gcp_tif(path: Path, crs: str | None = "EPSG:4326") -> Path:
    """A scene of 100 x 80 pixels placed by ground control points at 10.0..10.1 east and 49.92..50.0 north."""
    points = [
        GroundControlPoint(row, col, 10.0 + col * 0.001, 50.0 - row * 0.001) for row in (0, 40, 80) for col in (0, 50, 100)
    ]
    return geotiff(path, textured(3, 80, 100), crs=crs, gcps=points)


def masked_tif(path: Path) -> Path:
    """64 x 128 pixels whose left half is masked by an internal mask."""
    mask = np.ones((64, 128), np.bool_)
    mask[:, :64] = False
    return geotiff(path, textured(3, 64, 128), mask=mask)


def alpha_tif(path: Path) -> Path:
    """64 x 128 pixels, RGB and alpha, whose left half is transparent."""
    values = np.concatenate([textured(3, 64, 128), np.full((1, 64, 128), 255, np.uint8)])
    values[3, :, :64] = 0
    return geotiff(path, values, photometric="RGB", alpha="yes")


def four_band_tif(path: Path) -> Path:
    """uint16 with named bands, nodata 0 in the upper left quarter."""
    values = textured(4, 128, 128, "uint16")
    values[:, :64, :64] = 0
    return geotiff(path, values, nodata=0, names=("blue", "green", "red", "nir"))


def float_tif(path: Path) -> Path:
    """float32 reflectance in one band, NaN in the upper left quarter."""
    values = textured(1, 128, 128, "float32")
    values[:, :64, :64] = np.nan
    return geotiff(path, values, nodata=float("nan"))


def all_nan_tif(path: Path) -> Path:
    """float32 bands without one number."""
    return geotiff(path, np.full((3, 64, 64), np.nan, np.float32))


def no_crs_tif(path: Path) -> Path:
    """Coordinates, but nobody knows in which CRS."""
    return geotiff(path, crs=None)


def plain_tif(path: Path, values: NDArray[Any] | None = None, **options: Any) -> Path:
    """A TIFF without a place."""
    return geotiff(path, values, crs=None, transform=None, **options)


def text_tif(path: Path) -> Path:
    """Prose under the name of an image."""
    path.write_text("Dear sir or madam, please find the image attached.\n")
    return path


def empty_file(path: Path) -> Path:
    """Zero bytes."""
    path.write_bytes(b"")
    return path


def picture(mode: str = "RGB", width: int = 64, height: int = 64, seed: int = 0) -> Image.Image:
    """A textured image in any of Pillow's modes."""
    rgb = Image.fromarray(np.moveaxis(textured(3, height, width, seed=seed), 0, -1))
    if mode in ("LA", "RGBA"):
        rgb.putalpha(Image.linear_gradient("L").resize(rgb.size))
    return rgb.convert(mode)


def saved(path: Path, image: Image.Image | None = None, **options: Any) -> Path:
    """An image in the format that the name says."""
    (picture() if image is None else image).save(path, **options)
    return path


def truncated_jpeg(path: Path) -> Path:
    """A JPEG of which the second half was lost."""
    buffer = io.BytesIO()
    picture(width=256, height=256).save(buffer, "JPEG")
    path.write_bytes(buffer.getvalue()[: len(buffer.getvalue()) // 2])
    return path


def cmyk_jpeg(path: Path) -> Path:
    """Four inks."""
    return saved(path, picture("CMYK"), format="JPEG")


def palette_png(path: Path) -> Path:
    """256 colours of which one is transparent."""
    image = picture().quantize(64)
    return saved(path, image, format="PNG", transparency=0)


def deep_png(path: Path) -> Path:
    """16 bits of grey that use a small part of their range."""
    return saved(path, Image.fromarray(textured(1, 64, 64, "uint16")[0]), format="PNG")


def png_bomb(path: Path, side: int = 60_000) -> Path:
    """A valid PNG of side x side grey pixels in a few megabytes."""
    lines = bytes((side + 1) * 50)
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = packer.compress(lines) + packer.flush(zlib.Z_FULL_FLUSH)  # after a full flush the same again packs to the same
    adler = ((side + 1) * side % 65_521) << 16 | 1  # of that many zeros
    data = b"\x78\xda" + packed * (side // 50) + packer.flush() + struct.pack(">I", adler)
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    parts = [struct.pack(">I", len(body)) + tag + body + struct.pack(">I", zlib.crc32(tag + body)) for tag, body in chunks]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    return path


def zipped(path: Path, members: Mapping[str, bytes]) -> Path:
    """A zip of the given members, names as they are, without times."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return path


def jpeg_bytes(seed: int = 0, side: int = 64) -> bytes:
    """A small JPEG."""
    buffer = io.BytesIO()
    picture(width=side, height=side, seed=seed).save(buffer, "JPEG")
    return buffer.getvalue()


def zip_bomb(path: Path, megabytes: int = 200) -> Path:
    """A zip of nothing but zeros that unpacks to a thousand times its size."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("zeros.tif", "w") as member:
        for _ in range(megabytes):
            member.write(bytes(1024 * 1024))
    return path


def traversal_zip(path: Path) -> Path:
    """A zip with one good image and members that try to leave the folder."""
    return zipped(path, {"../evil.jpg": jpeg_bytes(1), "/etc/evil.jpg": jpeg_bytes(2), "good/x.jpg": jpeg_bytes(3)})


def _rotated(degrees: float) -> rasterio.Affine:
    turn = np.radians(degrees)
    cosine, sine = 2 * float(np.cos(turn)), 2 * float(np.sin(turn))
    return rasterio.Affine(cosine, sine, 500_000, sine, -cosine, 5_200_000)
