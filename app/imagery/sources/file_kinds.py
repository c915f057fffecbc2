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
    """IMAGE: JPEG, PNG or WebP. RASTER: TIFF of any kind, or JPEG 2000. STAC: a STAC Item's JSON. PARQUET: embeddings."""

    IMAGE = "image"
    RASTER = "raster"
    ZIP = "zip"
    PARQUET = "parquet"
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
    if head.startswith(b"PAR1"):
        return FileKind.PARQUET
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


def _read(path: Path, size: int) -> bytes:
    with path.open("rb") as file:
        return file.read(size)
