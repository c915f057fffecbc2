"""Drawing tools of the demo scene: noise, parcels of farmland, tree crowns, roads, houses.

Pictures are (H, W, 3) float32 RGB, 0..1, one pixel a metre; maps are (H, W) float32.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Map = NDArray[np.float32]
Colour = tuple[float, float, float]
Point = tuple[float, float]
SUN = (0.6, 0.8)
"""Where shadows fall, in pixels per pixel of height: to the lower right."""


def rgb(colour: Colour) -> Map:
    """A colour as (3,) float32."""
    return np.array(colour, np.float32)


def noise(rng: np.random.Generator, size: int, cell: float, octaves: int = 4) -> Map:
    """Fractal noise, 0..1, whose largest features measure `cell` pixels."""
    finest = cell / 2 ** (octaves - 1)
    side = math.ceil(size / max(1, min(16, finest / 4)))  # smooth noise is made small and enlarged once
    total, weight = np.zeros((side, side), np.float32), 1.0
    for octave in range(octaves):
        cells = min(side, max(2, round(size * 2**octave / cell) + 2))
        total += np.float32(weight) * np.asarray(_enlarge(rng.random((cells, cells), np.float32), side))
        weight /= 2
    low, high = float(total.min()), float(total.max())
    total = (total - np.float32(low)) / np.float32(max(high - low, 1e-6))
    return np.asarray(_enlarge(total, size))


def _enlarge(values: Map, size: int) -> Image.Image:
    return Image.fromarray(values).resize((size, size), Image.Resampling.BICUBIC)


def mix(picture: Map, colour: Map | Colour, amount: Map) -> None:
    """Paint a colour over a picture in place; amount: (H, W), 0..1."""
    paint = np.asarray(colour, np.float32)
    for top in range(0, len(picture), 64):  # strips stay in the processor's cache
        rows = slice(top, top + 64)
        if amount[rows].any():
            picture[rows] += ((paint[rows] if paint.ndim == 3 else paint) - picture[rows]) * amount[rows, :, None]


def soft(values: Map, edge: float) -> Map:
    """A smooth step: 0 below -edge, 1 above edge."""
    t: Map = np.clip(values / (2 * edge) + 0.5, 0, 1)
    return t * t * (3 - 2 * t)


def shifted(values: Map, rows: int, cols: int) -> Map:
    """The map moved down and right, filled with zeros."""
    moved = np.zeros_like(values)
    moved[rows:, cols:] = values[: values.shape[0] - rows, : values.shape[1] - cols]
    return moved


def crowns(rng: np.random.Generator, size: int, spacing: float) -> tuple[Map, Map]:
    """A canopy: light on the crowns of trees `spacing` pixels apart (0..1, lit from the upper left), and each tree's own tint.

    It repeats every 768 pixels.
    """
    side = min(size, 768)
    cells = max(1, round(side / spacing))
    spacing = side / cells
    nudge_y, nudge_x = rng.uniform(0.15, 0.85, (2, cells, cells)).astype(np.float32)
    radius = rng.uniform(0.5, 0.85, (cells, cells)).astype(np.float32)
    tint = rng.random((cells, cells), np.float32)
    rows, cols = np.mgrid[0:side, 0:side].astype(np.float32) / np.float32(spacing)
    cell_y, cell_x = rows.astype(np.int32), cols.astype(np.int32)
    top, light, own = (np.zeros((side, side), np.float32) for _ in range(3))
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            tree = (cell_y + dy) % cells, (cell_x + dx) % cells
            off_y = (rows - cell_y - dy - nudge_y[tree]) / radius[tree]
            off_x = (cols - cell_x - dx - nudge_x[tree]) / radius[tree]
            height = np.sqrt(np.clip(1 - off_y**2 - off_x**2, 0, None))
            is_higher = height > top
            top = np.where(is_higher, height, top)
            light = np.where(is_higher, 0.55 * height - 0.30 * off_y - 0.25 * off_x, light)
            own = np.where(is_higher, tint[tree], own)
    times = -(-size // side)
    light = np.clip(light + np.float32(0.1), 0, 1)
    return np.tile(light, (times, times))[:size, :size], np.tile(own, (times, times))[:size, :size]


def parcels(rng: np.random.Generator, width: float, height: float, largest: float) -> NDArray[np.float32]:
    """Cut a rectangle into fields: (N, 4) x0, y0, x1, y1, each side below `largest` pixels or so."""
    todo, done = [(0.0, 0.0, width, height)], []
    while todo:
        x0, y0, x1, y1 = todo.pop()
        wide, high = x1 - x0, y1 - y0
        limit = largest * rng.uniform(0.55, 1.25)
        if max(wide, high) < limit:
            done.append((x0, y0, x1, y1))
            continue
        share = rng.uniform(0.35, 0.65)
        if wide > high:
            todo += [(x0, y0, x0 + share * wide, y1), (x0 + share * wide, y0, x1, y1)]
        else:
            todo += [(x0, y0, x1, y0 + share * high), (x0, y0 + share * high, x1, y1)]
    return np.array(done, np.float32)


def strip(size: int, lines: list[list[Point]], width: float) -> Map:
    """A map with 1 along polylines of a width in pixels, antialiased."""
    image = Image.new("L", (2 * size, 2 * size))
    draw = ImageDraw.Draw(image)
    for line in lines:
        draw.line([(2 * x, 2 * y) for x, y in line], fill=255, width=max(1, round(2 * width)), joint="curve")
    return np.asarray(image.resize((size, size), Image.Resampling.BOX)).astype(np.float32) / np.float32(255)


def box_at(centre: Point, length: float, width: float, angle: float) -> list[Point]:
    """The corners of a rectangle: length along `angle` (radians), width across it."""
    along, across = (math.cos(angle), math.sin(angle)), (-math.sin(angle), math.cos(angle))
    return [
        (
            centre[0] + a * length / 2 * along[0] + b * width / 2 * across[0],
            centre[1] + a * length / 2 * along[1] + b * width / 2 * across[1],
        )
        for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))
    ]


def curve(rng: np.random.Generator, start: Point, end: Point, bend: float, steps: int = 48) -> list[Point]:
    """A winding line between two points; bend: how far it strays, as a share of its length."""
    t = np.linspace(0, 1, steps)
    length = math.hypot(end[0] - start[0], end[1] - start[1])
    stray = (
        sum(
            rng.uniform(-1, 1)
            * bend
            * length
            / wave
            * np.sin(math.pi * wave * t + (0 if wave == 1 else rng.uniform(0, 0.5)) * t)
            for wave in (1, 2, 3, 5)
        )
        * np.sin(math.pi * t) ** 0.5
    )
    along = ((end[0] - start[0]) / max(length, 1), (end[1] - start[1]) / max(length, 1))
    xs = start[0] + t * (end[0] - start[0]) - stray * along[1]
    ys = start[1] + t * (end[1] - start[1]) + stray * along[0]
    return list(zip(xs.tolist(), ys.tolist(), strict=True))
