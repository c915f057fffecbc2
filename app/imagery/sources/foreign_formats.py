"""What a file is that is not an image in a supported format, and the command that helps."""

from __future__ import annotations

from pathlib import Path

from app.imagery.sources.file_kinds import IMAGE_FORMATS

HEAD = 4096
_TO_TIFF = "convert it: gdal_translate -of COG {} out.tif"
_PICTURE = "convert it to JPEG or PNG: magick {} out.png"
_STARTS: tuple[tuple[int, bytes, str, str], ...] = (
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
    (0, b"\x1f\x8b", "a gzip archive", "unpack it (gunzip, tar -xzf), and send the files or a zip of them"),
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


_TEXTS: tuple[tuple[tuple[bytes, ...], str], ...] = (
    (
        (b"<!doctype html", b"<html"),
        "the file is an HTML page, probably an error or login page of a download; download it again",
    ),
    ((b"<svg",), f"the file is SVG, which is not supported; {_PICTURE.format('in.svg')}"),
    (
        (b"<vrtdataset",),
        f"the file is a GDAL virtual raster (VRT), which only refers to images; {_TO_TIFF.format('in.vrt')}",
    ),
    ((b"<",), "the file is XML, not an image; send the image that it describes"),
)


def explain(source: Path | bytes) -> str:
    """What a file that is not an image in a supported format is, and the command that helps; one clause for an error."""
    if isinstance(source, bytes):
        head = source[:HEAD]
    else:
        with source.open("rb") as file:
            head = file.read(HEAD)
    if not head:
        return "the file is empty (0 bytes); send it again"
    return _by_signature(head) or _by_text(head) or f"the file is not an image in a supported format ({IMAGE_FORMATS})"


def _by_signature(head: bytes) -> str | None:
    name = _BRANDS.get(head[8:12]) if head[4:8] == b"ftyp" else None
    if name is not None:
        return f"the file is {name}, which is not supported; convert it to JPEG or PNG: magick in.{name.lower()} out.png"
    if head.startswith(b"version https://git-lfs"):
        return "the file is a Git LFS pointer, which only names the content; fetch the content: git lfs pull"
    for at, start, name, cure in _STARTS:
        if head[at : at + len(start)] == start:
            return f"the file is {name}, which is not supported; {cure}"
    return None


def _by_text(head: bytes) -> str | None:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for starts, reason in _TEXTS:
        if text.startswith(starts):
            return reason
    return None
