"""The pages (image file directories) of a TIFF: which one is the image, and which are thumbnails, overviews or other images."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

MAX_PAGES = 256
MAX_TAGS = 4096
_SUBFILE, _WIDTH, _HEIGHT, _PIXEL_SCALE, _MATRIX = 254, 256, 257, 33550, 34264
_REDUCED, _MASK = 1, 4
_SIZES = {1: 1, 3: 2, 4: 4, 16: 8}


@dataclass(frozen=True, slots=True)
class Page:
    """number: counted from 1. is_reduced: declared as a smaller version of another page. is_placed: it is georeferenced."""

    number: int
    width: int
    height: int
    is_reduced: bool
    is_mask: bool
    is_placed: bool


def main_page(source: Path | bytes) -> tuple[int, str | None]:
    """The number of the page to read, and a note about other full-size pages, None without any.

    It is the largest page that is neither a mask nor a reduced version; of pages of equal size the first. 1 if the pages cannot
    be read, so that GDAL reports what is wrong.
    """
    pages = [page for page in _pages(source) if not page.is_mask]
    if len(pages) < 2:
        return (pages[0].number if pages else 1), None
    full = [page for page in pages if not page.is_reduced] or pages
    chosen = max(full, key=lambda page: (page.width * page.height, -page.number))
    others = [page for page in full if page is not chosen and not _is_overview(page, chosen)]
    if not others:
        has_thumbnail = any(page.number < chosen.number for page in pages)
        note = f"page {chosen.number} is indexed; the pages before it are smaller versions of it" if has_thumbnail else None
        return chosen.number, note
    left = ", ".join(f"{page.number} ({page.width} x {page.height})" for page in others[:5]) + (", ..." * (len(others) > 5))
    return chosen.number, (
        f"page {chosen.number} of {len(pages)} is indexed ({chosen.width} x {chosen.height}); left out: page {left}. To index"
        f" another page, extract it: gdal_translate GTIFF_DIR:{others[0].number}:in.tif out.tif"
    )


def _is_overview(page: Page, full: Page) -> bool:
    """Whether a page that is not declared as an overview has the shape of one: a later page, half the size or less."""
    factor = full.width / page.width
    return (
        page.number > full.number
        and not page.is_placed
        and factor >= 1.9
        and abs(full.height / page.height - factor) < 0.1 * factor
    )


def _pages(source: Path | bytes) -> list[Page]:
    """The pages of a classic TIFF or a BigTIFF; those before the damage of a damaged one."""
    found: list[Page] = []
    try:
        with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
            for page in _walk(file):
                found.append(page)
    except (struct.error, OSError, OverflowError, ValueError):
        pass
    return found


def _walk(file: BinaryIO) -> Iterator[Page]:
    head = file.read(16)
    order = "<" if head[:2] == b"II" else ">"
    is_big = struct.unpack(order + "H", head[2:4])[0] == 43
    pointer = order + ("Q" if is_big else "I")
    (offset,) = struct.unpack(pointer, head[8:16] if is_big else head[4:8])
    seen: set[int] = set()
    while offset and offset not in seen and len(seen) < MAX_PAGES:
        seen.add(offset)
        file.seek(offset)
        tags = _tags(file, order, is_big=is_big)
        if tags.get(_WIDTH, 0) > 0 and tags.get(_HEIGHT, 0) > 0:
            kind, is_placed = tags.get(_SUBFILE, 0), _PIXEL_SCALE in tags or _MATRIX in tags
            yield Page(len(seen), tags[_WIDTH], tags[_HEIGHT], bool(kind & _REDUCED), bool(kind & _MASK), is_placed)
        (offset,) = struct.unpack(pointer, file.read(struct.calcsize(pointer)))


def _tags(file: BinaryIO, order: str, *, is_big: bool) -> dict[int, int]:
    """The tags of the directory at the position of the file, with the first value of those that are stored in place."""
    count_form, entry_size, value_at = (order + "Q", 20, 12) if is_big else (order + "H", 12, 8)
    (count,) = struct.unpack(count_form, file.read(struct.calcsize(count_form)))
    if count > MAX_TAGS:
        raise ValueError(count)
    entries = file.read(count * entry_size)
    tags: dict[int, int] = {}
    for at in range(0, count * entry_size, entry_size):
        tag, kind = struct.unpack(order + "HH", entries[at : at + 4])
        value = entries[at + value_at : at + value_at + _SIZES.get(kind, 0)]
        tags[tag] = int.from_bytes(value, "little" if order == "<" else "big")
    return tags
