"""Valid files of every format that Dyad reads, and files made from them by damage; the same seed gives the same files."""

from __future__ import annotations

import json
import math
import random
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from PIL import Image

from tests.support import images
from tests.support.bundle_zips import packed
from tests.support.bundles import tiny_graph, write_bundle, write_matching_bundle

SIZES = (0, 1, 2, 255, 65_535, 100_000, 500_000, 2**30, 2**31 - 1, 2**31, 2**32 - 1)
FEATURE = '{"type": "Feature", "properties": {"labels": ["a", "b"]}, "geometry": {"type": "Point", "coordinates": [7.5, 51.5]}}'
STAC_ITEM = {
    "type": "Feature",
    "stac_version": "1.0.0",
    "id": "item",
    "geometry": {"type": "Polygon", "coordinates": [[[10, 45], [11, 45], [11, 46], [10, 46], [10, 45]]]},
    "bbox": [10, 45, 11, 46],
    "properties": {"datetime": "2024-05-01T10:00:00Z", "labels": ["river"]},
    "links": [],
    "assets": {"visual": {"href": "a.png", "type": "image/png", "roles": ["visual"]}},
}


@dataclass(frozen=True)
class Malformed:
    """name: number, format and damage; with the seed it is the recipe. kind: decoder, see `tests.fuzz.decoding`."""

    name: str
    kind: str
    data: bytes


def valid_files(folder: Path) -> dict[str, tuple[str, bytes]]:
    """Kind of decoder and content of the undamaged files, by name. folder: an empty folder for temporary files."""
    makers = {**_pictures(), **_tiffs()}
    found = {name: ("image", make(folder / name).read_bytes()) for name, make in makers.items()}
    members = {f"{number}.jpg": images.jpeg_bytes(number) for number in range(3)}
    found["images.zip"] = ("zip", images.zipped(folder / "images.zip", members).read_bytes())
    collection = {"type": "FeatureCollection", "stac_version": "1.0.0", "features": [STAC_ITEM, STAC_ITEM]}
    texts = {
        "item.json": ("stac", json.dumps(STAC_ITEM, indent=1)),
        "items.json": ("stac", json.dumps(collection)),
        "names.csv": ("labels", 'file_name,labels\n1.png,harbor;sea\n2.png,"[""a""]"\n'),
        "places.csv": ("labels", "lon;lat;label\n7,5;51,5;river\n8,5;50,1;road\n"),
        "labels.geojson": ("labels", f'{{"type": "FeatureCollection", "features": [{FEATURE}, {FEATURE}]}}'),
        "labels.geojsonl": ("labels", f"{FEATURE}\n{FEATURE}\n"),
    }
    found |= {name: (kind, text.encode()) for name, (kind, text) in texts.items()}
    found["utf16.csv"] = ("labels", "file_name\tlabel\n1.png\tHäfen\n".encode("utf-16"))
    bundles = {
        "bundle.zip": write_bundle(folder / "tiny", tiny_graph()),
        "matching.zip": write_matching_bundle(folder / "matching"),
    }
    found |= {name: ("bundle", packed(made, folder / name).read_bytes()) for name, made in bundles.items()}
    return found


def malformed_files(folder: Path, count: int, seed: int) -> Iterator[Malformed]:
    """Damaged files, of each format in turn, each damaged in one of the ways of `DAMAGES`."""
    valid = valid_files(folder)
    choices = random.Random(seed)
    names = sorted(valid)
    for number in range(count):
        name = names[number % len(names)]
        kind, data = valid[name]
        damage = choices.choice(sorted(DAMAGES))
        other = valid[choices.choice(names)][1]
        yield Malformed(f"{number:04}-{damage}-{name}", kind, DAMAGES[damage](data, other, choices))


def large_files(folder: Path) -> Iterator[Malformed]:
    """Small files of valid images that are large when decoded, below and above the default of DYAD_MAX_PIXELS."""
    sides = (9_950, 60_000)
    for side in sides:
        yield Malformed(f"{side}-grey.png", "image", images.png_bomb(folder / "large.png", side).read_bytes())
    for form, side in (("JPEG", 9_950), ("PNG", 9_950), ("WEBP", 8_000), ("TIFF", 9_950)):
        path = folder / f"large.{form.lower()}"
        options: dict[str, Any] = {"compression": "tiff_adobe_deflate"} if form == "TIFF" else {}
        Image.new("RGB", (side, side), (30, 90, 60)).save(path, form, **options)
        yield Malformed(f"{side}-colours.{form.lower()}", "image", path.read_bytes())
    sparse = {"sparse_ok": True, "tiled": True, "height": 500_000, "width": 500_000, "count": 1, "dtype": "uint8"}
    with rasterio.open(folder / "sparse.tif", "w", crs="EPSG:32614", transform=images.NORTH_UP, bigtiff="yes", **sparse):
        pass
    yield Malformed("500000-sparse.tif", "image", (folder / "sparse.tif").read_bytes())


def _pictures() -> dict[str, Callable[[Path], Path]]:
    deep = Image.fromarray(images.textured(1, 64, 64, "uint16")[0])
    exif = Image.Exif()
    exif[0x0112] = 6
    return {
        "plain.jpg": lambda path: images.saved(path, images.picture(width=160, height=120)),
        "grey.jpg": lambda path: images.saved(path, images.picture("L")),
        "progressive.jpg": lambda path: images.saved(path, progressive=True),
        "rotated.jpg": lambda path: images.saved(path, exif=exif),
        "cmyk.jpg": images.cmyk_jpeg,
        "rgb.png": images.saved,
        "rgba.png": lambda path: images.saved(path, images.picture("RGBA")),
        "palette.png": images.palette_png,
        "deep.png": lambda path: images.saved(path, deep),
        "lossy.webp": images.saved,
        "lossless.webp": lambda path: images.saved(path, images.picture("RGBA"), lossless=True),
    }


def _tiffs() -> dict[str, Callable[[Path], Path]]:
    def tiled(path: Path, **options: Any) -> Path:
        return images.rgb_tif(path, 150, 200, **options)

    return {
        "stripped.tif": images.plain_tif,
        "tiled.tif": tiled,
        "deflate.tif": lambda path: tiled(path, compress="deflate", predictor=2),
        "lzw.tif": lambda path: images.plain_tif(path, compress="lzw"),
        "zstd.tif": lambda path: tiled(path, compress="zstd"),
        "jpeg.tif": lambda path: tiled(path, compress="jpeg"),
        "bigtiff.tif": lambda path: tiled(path, bigtiff="yes", overviews=(2,)),
        "sixteen.tif": images.four_band_tif,
        "float.tif": images.float_tif,
        "points.tif": images.gcp_tif,
        "mask.tif": images.masked_tif,
        "alpha.tif": images.alpha_tif,
        "sparse.tif": lambda path: images.geotiff(path, np.zeros((1, 2000, 2000), np.uint8), sparse_ok=True, tiled=True),
    }


def _cut(data: bytes, _: bytes, choices: random.Random) -> bytes:
    """The beginning of a file."""
    return data[: choices.randrange(len(data))]


def _flip(data: bytes, _: bytes, choices: random.Random) -> bytes:
    """Up to 16 random bytes anywhere."""
    changed = bytearray(data)
    for _number in range(choices.randint(1, 16)):
        changed[choices.randrange(len(changed))] = choices.randrange(256)
    return bytes(changed)


def _flip_head(data: bytes, other: bytes, choices: random.Random) -> bytes:
    """Random bytes within the first 512, where most formats have their header."""
    return _flip(data[:512], other, choices) + data[512:]


def _graft(data: bytes, other: bytes, choices: random.Random) -> bytes:
    """The header of another file before the rest of this one."""
    length = choices.choice((4, 8, 16, 64, 256))
    return other[:length] + data[length:]


def _splice(data: bytes, _: bytes, choices: random.Random) -> bytes:
    """A piece of the file repeated at another place."""
    start, at = choices.randrange(len(data)), choices.randrange(len(data))
    return data[:at] + data[start : start + choices.choice((1, 16, 256, 4096))] + data[at:]


def _size(data: bytes, _: bytes, choices: random.Random) -> bytes:
    """An absurd size where the format states one, else at a random place of the header."""
    if data.startswith(b"\x89PNG"):
        return _with_png_size(data, choices)
    if data.startswith(b"\xff\xd8"):
        return _with_jpeg_size(data, choices)
    if data.startswith(b"II*\x00"):
        return _with_tiff_value(data, choices)
    if data[:1] in b'{[flF"\xff\xfe':
        return _with_absurd_text(data, choices)
    changed, at = bytearray(data), choices.randrange(min(len(data), 512) - 4)
    changed[at : at + 4] = struct.pack("<I", choices.choice(SIZES))
    return bytes(changed)


def _with_png_size(data: bytes, choices: random.Random) -> bytes:
    header = struct.pack(">II", choices.choice(SIZES), choices.choice((1, 64, 10_000, 2**31 - 1))) + data[24:29]
    return data[:16] + header + struct.pack(">I", zlib.crc32(b"IHDR" + header)) + data[33:]


def _with_jpeg_size(data: bytes, choices: random.Random) -> bytes:
    at = next(found for marker in (b"\xff\xc0", b"\xff\xc2") if (found := data.find(marker)) >= 0)
    return data[: at + 5] + struct.pack(">HH", *choices.choices((0, 1, 9000, 65_500, 65_535), k=2)) + data[at + 9 :]


def _with_tiff_value(data: bytes, choices: random.Random) -> bytes:
    """An entry of the first directory with an absurd count or value, or several of the entries for the size."""
    changed = bytearray(data)
    start = struct.unpack_from("<I", data, 4)[0]
    count = struct.unpack_from("<H", data, start)[0]
    entries = [start + 2 + 12 * number for number in range(count)]
    sized = [at for at in entries if struct.unpack_from("<H", data, at)[0] in (256, 257, 258, 277, 278, 322, 323)]
    for at in choices.choice((sized[:2], [choices.choice(sized)], [choices.choice(entries)])):
        is_long = struct.unpack_from("<H", data, at + 2)[0] == 4
        changed[at + 2 : at + 4] = struct.pack("<H", 4 if is_long or choices.random() < 0.5 else 3)
        offset = 4 if choices.random() < 0.1 else 8
        changed[at + offset : at + offset + 4] = struct.pack("<I", choices.choice(SIZES))
    return bytes(changed)


def _tag(data: bytes, other: bytes, choices: random.Random) -> bytes:
    """Random bytes, or numbers and texts that are valid but absurd, as the content of a TIFF's tag: keys, names, nodata."""
    if not data.startswith(b"II*\x00"):
        return _flip_head(data, other, choices)
    start = struct.unpack_from("<I", data, 4)[0]
    count = struct.unpack_from("<H", data, start)[0]
    entries = [struct.unpack_from("<HHII", data, start + 2 + 12 * number) for number in range(count)]
    described = [entry for entry in entries if entry[0] > 30_000]
    _, kind, length, offset = choices.choice(described or entries)
    size = length * {1: 1, 2: 1, 3: 2, 4: 4, 12: 8}.get(kind, 1)
    at = offset if size > 4 else start + 2 + 12 * entries.index((_, kind, length, offset)) + 8
    if kind == 12:
        value = struct.pack("<d", choices.choice((0.0, -1.0, 1e308, math.inf, math.nan))) * (size // 8)
    elif kind == 2:
        value = choices.choice((b"inf", b"nan", b"-1e400", b"\xff\xfe\x80", b"%s%n", b"<" * size))[:size].ljust(size, b"\0")
    else:
        value = choices.randbytes(size)
    changed, first = bytearray(data), choices.randrange(0, size, 8) if kind != 2 else 0
    changed[at + first : at + min(size, first + 8)] = value[first : first + 8]
    return bytes(changed)


def _with_absurd_text(data: bytes, choices: random.Random) -> bytes:
    """Deep nesting, huge numbers and long values in the place of a random piece of the text."""
    deep = (b"[" * 20_000, b'{"a":' * 20_000)
    absurd = (*deep, b"1e999", b"9" * 5000, b"NaN", b'"' + b"x" * 2_000_000, b"\x00", b"\xff\xfe", b"null")
    at = choices.randrange(len(data))
    return data[:at] + choices.choice(absurd) + data[at + choices.choice((0, 1, 8)) :]


DAMAGES: dict[str, Callable[[bytes, bytes, random.Random], bytes]] = {
    "cut": _cut,
    "flip": _flip,
    "flip-head": _flip_head,
    "graft": _graft,
    "splice": _splice,
    "size": _size,
    "tag": _tag,
}
