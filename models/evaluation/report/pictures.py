"""Sheets of images: retrieval results, reconstructions, feature maps."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from models.evaluation.errors import EvaluationError

RIGHT, WRONG, PLAIN = "#18794e", "#b42318", "#5a666e"
SIDE = 128
"""Pixels per side of an image in a sheet."""
_FRAME, _GAP, _LINE, _TEXT = 5, 10, 24, 17
_INK, _PAPER = "#1a2126", "#ffffff"

PixelsOf = Callable[[int], NDArray[np.uint8]]
"""Returns the (H, W, B) uint8 pixels of an image by its index, so that only images of the report are read."""


@dataclass(frozen=True, slots=True)
class Cell:
    """An image of a sheet. pixels: (H, W, B) uint8. frame, ink: colours of frame (None: no frame) and caption."""

    pixels: NDArray[np.uint8]
    caption: str = ""
    frame: str | None = None
    ink: str = PLAIN


@dataclass(frozen=True, slots=True)
class Retrieved:
    """A query and its results: indices of images and their labels, nearest first."""

    query: int
    label: str
    found: Sequence[int]
    found_labels: Sequence[str]


def retrieval_sheet(rows: Sequence[Retrieved], pixels_of: PixelsOf, *, side: int = SIDE) -> Image.Image:
    """A row for each query: the query, then its results, with green frames for its class and red ones, with names, for others.

    Raises:
        EvaluationError: there is no row.
    """
    cells = []
    for row in rows:
        line = [Cell(pixels_of(row.query), row.label, None, _INK)]
        for place, (item, label) in enumerate(zip(row.found, row.found_labels, strict=True), 1):
            is_right = label == row.label
            colour = RIGHT if is_right else WRONG
            line.append(Cell(pixels_of(item), str(place) if is_right else label, colour, colour))
        cells.append(line)
    return sheet(cells, side=side, lead=3 * _GAP)


def reconstruction_sheet(
    images: NDArray[np.uint8],
    decoded: Mapping[str, NDArray[np.uint8]],
    features: NDArray[np.floating[Any]] | None = None,
    *,
    side: int = SIDE,
) -> Image.Image:
    """A row for each image: the image, its features if given, and its reconstructions (residual-dyad, figure 4).

    images, decoded: (N, H, W, B) uint8 each, the latter by name. features: (N, C, h, w).

    Raises:
        EvaluationError: the numbers of images differ, or there is none.
    """
    if any(len(each) != len(images) for each in decoded.values()) or (features is not None and len(features) != len(images)):
        raise EvaluationError(f"each of {len(images)} images needs its features and one image of every decoder")
    cells = []
    for index, image in enumerate(images):
        line = [Cell(image, "input")]
        if features is not None:
            line.append(Cell(mosaic(features[index]), "features"))
        line += [Cell(each[index], name) for name, each in decoded.items()]
        cells.append(line)
    return sheet(cells, side=side)


def feature_sheet(
    images: NDArray[np.uint8], features: NDArray[np.floating[Any]], *, count: int = 10, side: int = SIDE
) -> Image.Image:
    """A row for each image: the image and its `count` feature maps of largest variance. images: (N, H, W, B). features: (N, C,
    h, w).

    Raises:
        EvaluationError: the numbers of images differ, or there is none.
    """
    if len(images) != len(features):
        raise EvaluationError(f"{len(images)} images and {len(features)} stacks of feature maps do not fit")
    cells = []
    for image, maps in zip(images, features, strict=True):
        chosen = most_varied(maps, count)
        cells.append([Cell(image, "input"), *(Cell(false_colour(maps[each]), f"channel {each}") for each in chosen)])
    return sheet(cells, side=side, lead=3 * _GAP)


def mosaic(maps: NDArray[np.floating[Any]], across: int = 4) -> NDArray[np.uint8]:
    """The `across`² maps of largest variance of (C, h, w) as one (across h, across w, 3) uint8; black if there are fewer."""
    _, height, width = maps.shape
    result = np.zeros((across * height, across * width, 3), np.uint8)
    for place, channel in enumerate(most_varied(maps, across * across)):
        top, left = (place // across) * height, (place % across) * width
        result[top : top + height, left : left + width] = false_colour(maps[channel])
    return result


def most_varied(maps: NDArray[np.floating[Any]], count: int) -> NDArray[np.intp]:
    """The channels of (C, h, w) maps with the largest variance, the largest first."""
    variance = maps.reshape(len(maps), -1).astype(np.float64).var(axis=1)
    return np.argsort(-variance, kind="stable")[:count]


def false_colour(plane: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """(h, w) real to (h, w, 3) uint8: minimum to maximum as dark blue to yellow."""
    low, high = float(plane.min()), float(plane.max())
    scaled = (plane - low) / (high - low) if high > low else np.zeros(plane.shape)
    return np.asarray(colormaps["viridis"](scaled, bytes=True)[..., :3], dtype=np.uint8)


def sheet(rows: Sequence[Sequence[Cell]], *, side: int = SIDE, lead: int = _GAP) -> Image.Image:
    """Rows of captioned images on white. side: of each image. lead: pixels between the first column and the others.

    Raises:
        EvaluationError: there is nothing to show, or an image has another shape than (H, W, B).
    """
    if not rows or not all(rows):
        raise EvaluationError("there is no image to show")
    column, line = side + 2 * _FRAME + _GAP, side + 2 * _FRAME + _LINE + _GAP
    across = max(len(row) for row in rows)
    result = Image.new("RGB", (across * column + lead - _GAP, len(rows) * line), _PAPER)
    draw = ImageDraw.Draw(result)
    font = ImageFont.load_default(_TEXT)
    for row, cells in enumerate(rows):
        for place, cell in enumerate(cells):
            left, top = place * column + (lead - _GAP if place else 0), row * line
            if cell.frame is not None:
                draw.rectangle((left, top, left + side + 2 * _FRAME - 1, top + side + 2 * _FRAME - 1), fill=cell.frame)
            result.paste(thumbnail(cell.pixels, side), (left + _FRAME, top + _FRAME))
            text = _shortened(cell.caption, font, side + 2 * _FRAME)
            draw.text((left + _FRAME, top + side + 2 * _FRAME + 2), text, fill=cell.ink, font=font)
    return result


def thumbnail(pixels: NDArray[np.uint8], side: int) -> Image.Image:
    """(H, W, B) uint8 to a square image: the first three bands as red, green, blue, or the first one as grey.

    Raises:
        EvaluationError: another shape or dtype.
    """
    if pixels.ndim != 3 or pixels.dtype != np.uint8 or 0 in pixels.shape:
        raise EvaluationError(f"an image must be (H, W, B) uint8, not {pixels.shape} {pixels.dtype}")
    shown = pixels[:, :, :3] if pixels.shape[2] >= 3 else np.repeat(pixels[:, :, :1], 3, axis=2)
    enlarges = max(pixels.shape[:2]) < side
    method = Image.Resampling.NEAREST if enlarges else Image.Resampling.BILINEAR
    return Image.fromarray(np.ascontiguousarray(shown)).resize((side, side), method)


def encode_jpeg(image: Image.Image) -> bytes:
    """Encode an image as JPEG for a report."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=88, subsampling=0, optimize=True)
    return buffer.getvalue()


def _shortened(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    """The text, shortened with an ellipsis to fit the width."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"
