"""PNGs of 16 bits with colours or alpha, and large ones, which are read by rows."""

from __future__ import annotations

import io
import resource
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from app.errors import UnreadableImage
from app.imagery.pictures import decode as decoding
from app.imagery.pictures.decode import decode
from app.imagery.tiling.tiler import cut, read_query
from tests.support import images
from tests.support.cutting import spec

COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}


def png16(path: Path, values: NDArray[np.uint16]) -> Path:
    """(H, W, C) uint16 as a PNG of 16 bits: grey, grey and alpha, RGB or RGBA by C."""
    height, width, channels = values.shape

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 16, COLOUR_TYPES[channels], 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
    return path


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_all_16_bits_are_read(tmp_path: Path, channels: int) -> None:
    colours = np.moveaxis(images.textured(3, 128, 128, "uint16"), 0, -1)[:, :, : 1 if channels == 2 else 3]
    opaque = np.full((128, 128, 1), 65535, np.uint16)
    path = png16(tmp_path / "x.png", colours if channels == 3 else np.concatenate([colours, opaque], axis=2))
    np.testing.assert_array_equal(decode(path, 10**6).values, colours)
    (tile,) = cut(path, "x.png", spec())
    assert tile is not None
    assert tile.pixels.std() > 20
    assert tile.preview is not None
    np.testing.assert_array_equal(read_query(path.read_bytes(), spec()), tile.pixels)
    if channels == 2:
        grey = read_query(png16(tmp_path / "grey.png", colours), spec())
        assert np.abs(grey.astype(int) - tile.pixels).max() <= 2, "scaled as a grey one"


def test_transparent_pixels_are_not_part_of_the_stretch(tmp_path: Path) -> None:
    values = np.moveaxis(images.textured(4, 64, 64, "uint16"), 0, -1)
    values[:, :, 3] = 65535
    values[:, :20] = (60000, 60000, 60000, 0)
    pixels = read_query(png16(tmp_path / "x.png", values), spec())
    assert pixels[:, :20].max() == 0
    assert pixels[:, 20:].std() > 20


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P"])
def test_by_rows_as_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    picture = images.picture("RGBA" if mode == "RGBA" else "RGB", width=610, height=411).convert(mode)
    path = images.saved(tmp_path / "x.png", picture, format="PNG")
    in_memory = decode(path, 10**6, 64)
    monkeypatch.setattr(decoding, "ROWS_PIXELS", 1000)
    by_rows = decode(path, 10**6, 64)
    assert by_rows.size == in_memory.size == (610, 411)
    seen = np.ones(by_rows.values.shape[:2], np.bool_) if in_memory.alpha is None else in_memory.alpha > 200
    assert np.abs(by_rows.values.astype(int) - in_memory.values)[seen].max() <= 4
    whole = path.read_bytes()
    with pytest.raises(UnreadableImage, match="damaged"):
        decode(whole[: len(whole) // 2], 10**6, 64)


def test_a_large_image_is_not_decoded_whole() -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (9000, 9000), (10, 200, 30)).save(buffer, "PNG", compress_level=1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    pixels = read_query(buffer.getvalue(), spec(max_pixels=10**8))
    assert pixels.mean(axis=(0, 1)) == pytest.approx([10, 200, 30])
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300 << 10
