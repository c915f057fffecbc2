"""The kind of a file, by its first bytes and never by its name."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

IMAGE_FORMATS = "JPEG 2000, JPEG, PNG, WebP, TIFF and GeoTIFF"
MAX_STAC_BYTES = 16 * 1024 * 1024
_HEAD = 4096
_TIFF = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
_JPEG_2000 = (b"\x00\x00\x00\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51")
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")


class FileKind(StrEnum):
    """IMAGE: JPEG, PNG or WebP. RASTER: TIFF of any kind, or JPEG 2000. STAC: a STAC Item's JSON."""

    IMAGE = "image"
    RASTER = "raster"
    ZIP = "zip"
    STAC = "stac"
    UNKNOWN = "unknown"


def sniff(source: Path | bytes) -> FileKind:
    """The kind of a file, or of the bytes of one.

    Raises:
        OSError: the file cannot be opened.
    """
    head = source[:_HEAD] if isinstance(source, bytes) else _read(source, _HEAD)
    if is_jpeg(head) or head.startswith(b"\x89PNG\r\n\x1a\n") or (head[:4] == b"RIFF" and head[8:12] == b"WEBP"):
        return FileKind.IMAGE
    if head.startswith(_TIFF + _JPEG_2000):
        return FileKind.RASTER
    if head.startswith(_ZIP):
        return FileKind.ZIP
    if head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{"):
        text = source[:MAX_STAC_BYTES] if isinstance(source, bytes) else _read(source, MAX_STAC_BYTES)
        return FileKind.STAC if b'"stac_version"' in text else FileKind.UNKNOWN
    return FileKind.UNKNOWN


def is_jpeg(head: bytes) -> bool:
    """Whether bytes start with the JPEG signature."""
    return head.startswith(b"\xff\xd8\xff")


def is_jpeg2000(source: Path | bytes) -> bool:
    """Whether a file, or the bytes of one, is JPEG 2000: a JP2 file or a bare codestream."""
    head = source[:12] if isinstance(source, bytes) else _read(source, 12)
    return head.startswith(_JPEG_2000)


_TO_TIFF = "convert it: gdal_translate -of COG {} out.tif"
_PICTURE = "convert it to JPEG or PNG: magick {} out.png"
_STARTS: tuple[tuple[int, bytes, str, str], ...] = (
    (0, b"version https://git-lfs", "a Git LFS pointer, not the file itself", "fetch the content: git lfs pull"),
    (0, b"\x89HDF\r\n\x1a\n", "HDF5 or netCDF-4", "convert a variable: gdal_translate -of COG HDF5:in.h5://VARIABLE out.tif"),
    (
        0,
        b"\x0e\x03\x13\x01",
        "HDF4",
        'convert a subdataset (gdalinfo in.hdf lists them): gdal_translate -of COG "SUBDATASET" out.tif',
    ),
    (0, b"CDF\x01", "netCDF", "convert a variable: gdal_translate -of COG NETCDF:in.nc:VARIABLE out.tif"),
    (0, b"CDF\x02", "netCDF", "convert a variable: gdal_translate -of COG NETCDF:in.nc:VARIABLE out.tif"),
    (0, b"GRIB", "GRIB", _TO_TIFF.format("in.grib")),
    (0, b"NITF", "NITF", _TO_TIFF.format("in.ntf")),
    (0, b"NSIF", "NITF", _TO_TIFF.format("in.ntf")),
    (0, b"EHFA_HEADER_TAG", "ERDAS Imagine", _TO_TIFF.format("in.img")),
    (0, b"msid", "MrSID", _TO_TIFF.format("in.sid")),
    (0, b"ECW", "ECW", _TO_TIFF.format("in.ecw")),
    (0, b"%PDF", "PDF", "convert it: gdal_translate -of COG in.pdf out.tif"),
    (0, b"GIF8", "GIF", _PICTURE.format("in.gif")),
    (0, b"BM", "BMP", _PICTURE.format("in.bmp")),
    (0, b"8BPS", "Photoshop (PSD)", _PICTURE.format("in.psd")),
    (0, b"\x00\x00\x00\x0cJXL ", "JPEG XL", "convert it: djxl in.jxl out.png"),
    (0, b"\xff\x0a", "JPEG XL", "convert it: djxl in.jxl out.png"),
    (0, b"\x76\x2f\x31\x01", "OpenEXR", _PICTURE.format("in.exr")),
    (0, b"SQLite format 3", "a GeoPackage, MBTiles or SQLite database", _TO_TIFF.format("in.gpkg")),
    (0, b"\x1f\x8b", "compressed by gzip", "unpack it (gunzip, tar -xzf), and send the files or a zip of them"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it (7z x in.7z), and send the files or a zip of them"),
    (0, b"Rar!", "a RAR archive", "unpack it (unrar x in.rar), and send the files or a zip of them"),
    (257, b"ustar", "a tar archive", "unpack it (tar -xf in.tar), and send the files or a zip of them"),
)
_BRANDS = {
    b"avif": "AVIF",
    b"avis": "AVIF",
    b"heic": "HEIC",
    b"heix": "HEIC",
    b"hevc": "HEIC",
    b"mif1": "HEIC",
    b"msf1": "HEIC",
}


def explain(source: Path | bytes) -> str:
    """What a file that is not an image in a supported format is, and the command that helps; one clause for an error."""
    head = source[:_HEAD] if isinstance(source, bytes) else _read(source, _HEAD)
    if not head:
        return "the file is empty (0 bytes); send it again"
    if head[4:8] == b"ftyp" and head[8:12] in _BRANDS:
        name = _BRANDS[head[8:12]]
        return f"the format of the file, {name}, is not supported; convert it to JPEG or PNG: magick in.{name.lower()} out.png"
    for at, start, name, cure in _STARTS:
        if head[at : at + len(start)] == start:
            return f"the file is {name}, which is not supported; {cure}"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith((b"<!doctype html", b"<html")):
        return "the file is an HTML page, probably an error or login page of a download; download the image again"
    if text.startswith(b"<svg") or (text.startswith(b"<?xml") and b"<svg" in text):
        return f"the file is SVG, which is not supported; {_PICTURE.format('in.svg')}"
    if text.startswith(b"<vrtdataset"):
        return f"the file is a GDAL virtual raster (VRT), which only refers to images; {_TO_TIFF.format('in.vrt')}"
    if text.startswith((b"<?xml", b"<")):
        return "the file is XML, not an image; send the image that it describes"
    return f"the file is not an image in a supported format ({IMAGE_FORMATS})"


def _read(path: Path, size: int) -> bytes:
    with path.open("rb") as file:
        return file.read(size)
