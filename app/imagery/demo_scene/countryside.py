"""The demo scene (job input `sample`): a generated, georeferenced piece of countryside, to try Dyad without imagery.

Not to be confused with `raster.statistics`, which samples values of a scene.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter
from rasterio.enums import ColorInterp, Resampling

from app.imagery.demo_scene.landscape import (
    SUN,
    Colour,
    Map,
    Point,
    box_at,
    crowns,
    curve,
    mix,
    noise,
    parcels,
    rgb,
    shifted,
    soft,
    strip,
)

CRS, WEST, NORTH = "EPSG:32631", 500_000, 5_200_000
ACQUIRED = "2024-06-15T10:30:00Z"
CROPS: tuple[tuple[Colour, float, float], ...] = (  # colour, contrast of the furrows, share of the land
    ((0.74, 0.66, 0.44), 0.020, 0.20),
    ((0.43, 0.54, 0.28), 0.015, 0.20),
    ((0.27, 0.42, 0.21), 0.050, 0.14),
    ((0.47, 0.55, 0.31), 0.005, 0.16),
    ((0.48, 0.38, 0.29), 0.055, 0.12),
    ((0.66, 0.57, 0.45), 0.030, 0.10),
    ((0.79, 0.75, 0.29), 0.015, 0.08),
)
ROOFS: tuple[Colour, ...] = ((0.62, 0.33, 0.24), (0.55, 0.30, 0.23), (0.68, 0.42, 0.31), (0.42, 0.38, 0.36), (0.50, 0.48, 0.47))


def draw_demo_scene(path: Path, seed: int = 0, size: int = 2048) -> None:
    """Draw a scene of size x size metres and write it to the new file `path`: RGB uint8, 1 m, UTM zone 31 north, tiled
    with overviews. The same seed gives the same scene."""
    rng = np.random.default_rng(seed)
    picture = _farmland(rng, size)
    course = curve(rng, (size * rng.uniform(0.2, 0.4), -40), (size * rng.uniform(0.55, 0.8), size + 40), 0.16, 160)
    towns = _places(rng, size, course)
    roads = _roads(rng, size, towns)
    built = _near(size, towns)
    water = _water(rng, picture, course, _lakes(rng, size, [course, *roads]), built)
    _woods(rng, size, picture, np.maximum(np.maximum(water, built), strip(size, roads, 26)))
    mix(picture, (0.36, 0.44, 0.24), strip(size, roads, 13) * 0.6)
    mix(picture, (0.56, 0.55, 0.53), strip(size, roads, 7))
    mix(picture, (0.62, 0.61, 0.59), strip(size, roads, 1) * 0.5)
    canvas = _to_image(picture)
    for town in towns:
        _draw_town(rng, canvas, town)
    _write(path, _finish(rng, canvas))


def _farmland(rng: np.random.Generator, size: int) -> Map:
    """Fields with furrows, tramlines, hedges and bare patches."""
    angle, frame = rng.uniform(0.15, 0.5), 1.5 * size
    rows, cols = np.mgrid[0:size, 0:size].astype(np.float32)
    warp_x, warp_y = (30 * (noise(rng, size, size / 3, 2) - 0.5) for _ in range(2))
    u = (cols * math.cos(angle) + rows * math.sin(angle)).astype(np.float32) + warp_x
    v = (-cols * math.sin(angle) + rows * math.cos(angle)).astype(np.float32) + warp_y + size * math.sin(angle)
    fields = parcels(rng, frame + 80, frame + 80, 300)
    lookup = np.zeros((int(frame + 80) // 2 + 1,) * 2, np.int32)
    for number, (x0, y0, x1, y1) in enumerate(fields):
        lookup[int(y0) // 2 : int(y1) // 2 + 1, int(x0) // 2 : int(x1) // 2 + 1] = number
    limit = lookup.shape[0] - 1
    field = lookup[np.clip(((v + 30) / 2).astype(np.int32), 0, limit), np.clip(((u + 30) / 2).astype(np.int32), 0, limit)]
    return _paint_fields(rng, fields, field, u + 30, v + 30)


def _paint_fields(rng: np.random.Generator, fields: Map, field: NDArray[np.int32], u: Map, v: Map) -> Map:
    size, count = len(field), len(fields)
    shares = np.array([share for _, _, share in CROPS])
    crop = rng.choice(len(CROPS), count, p=shares / shares.sum())
    colours = np.array([CROPS[c][0] for c in crop]) + rng.normal(0, 0.025, (count, 1)) + rng.normal(0, 0.010, (count, 3))
    contrast = np.array([CROPS[c][1] for c in crop], np.float32)
    is_wide = (fields[:, 2] - fields[:, 0]) > (fields[:, 3] - fields[:, 1])
    across = np.where(is_wide[field], v, u)
    period = rng.uniform(4, 9, count).astype(np.float32)[field]
    picture: Map = colours.astype(np.float32)[field]
    light = contrast[field] * np.sin(2 * math.pi * across / period)
    is_drilled = (contrast > 0.01) & (contrast < 0.03)
    light[(np.mod(across, 24) < 1.6) & is_drilled[field]] -= 0.06
    light += 0.10 * (noise(rng, size, 120, 5) - 0.5) + 0.05 * (rng.random((size, size), np.float32) - 0.5)
    picture += light[:, :, None]
    left, top, right, bottom = fields.T
    edge = np.minimum(np.minimum(u - left[field], right[field] - u), np.minimum(v - top[field], bottom[field] - v))
    hedge = soft(3.2 - edge + 3 * (noise(rng, size, 14, 2) - 0.5), 1.2) * (noise(rng, size, 160, 2) > 0.48)
    mix(picture, (0.60, 0.56, 0.44), soft(1.6 - edge, 1.0) * 0.7)
    mix(picture, (0.10, 0.14, 0.08), shifted(hedge, 3, 2) * 0.45)
    mix(picture, (0.20, 0.29, 0.14), hedge)
    return picture


def _water(rng: np.random.Generator, picture: Map, course: list[Point], lakes: Map, built: Map) -> Map:
    """A river along its course, and lakes where that map is above 0.1; returns where water is."""
    size = len(picture)
    image = Image.fromarray((255 * strip(size, [course], 34)).astype(np.uint8))
    near = np.asarray(image.filter(ImageFilter.GaussianBlur(9)), np.float32) / 255
    ragged = 0.25 * (noise(rng, size, 50, 3) - 0.5)
    river = near + ragged - 0.42
    wet = np.maximum(river, 0.6 * (lakes - 0.1) - built)
    mix(picture, (0.36, 0.45, 0.24), soft(wet + 0.16, 0.10) * 0.85)
    mix(picture, (0.62, 0.58, 0.46), soft(wet + 0.03, 0.03) * 0.8)
    water = soft(wet, 0.025)
    depth = np.clip(wet / 0.4, 0, 1)[:, :, None]
    tone = rgb((0.29, 0.37, 0.35)) * (1 - depth) + rgb((0.11, 0.20, 0.25)) * depth
    mix(picture, tone + 0.03 * (noise(rng, size, 40, 3) - 0.5)[:, :, None], water)
    return np.maximum(water, soft(wet + 0.05, 0.05))


def _lakes(rng: np.random.Generator, size: int, lines: list[list[Point]]) -> Map:
    """How far inside a lake a pixel is, ragged, negative outside; lakes keep off the river and the roads."""
    rows, cols = np.mgrid[0:size, 0:size].astype(np.float32)
    lakes: Map = np.full((size, size), -1, np.float32)
    points = np.array([point for line in lines for point in line])
    found = 0
    for _ in range(60):
        x, y = rng.uniform(0.1, 0.9, 2) * size
        radius, squeeze = rng.uniform(45, 110) * min(1, size / 1024), rng.uniform(0.5, 1.0)
        if np.hypot(*(points - (x, y)).T).min() > 1.2 * radius + 30:
            lakes = np.maximum(lakes, 1 - np.hypot(cols - np.float32(x), (rows - np.float32(y)) / squeeze) / radius)
            found += 1
        if found == max(1, round(4 * (size / 2048) ** 2)):
            break
    return lakes + 0.9 * (noise(rng, size, 180, 4) - 0.5)


def _woods(rng: np.random.Generator, size: int, picture: Map, keep_out: Map) -> None:
    """Woods of broad leaves with stands of conifers, and single trees."""
    shape = noise(rng, size, 620, 5) - 0.62 - keep_out
    single = (noise(rng, size, 26, 1) - 0.90) * 2 - keep_out
    wood = np.maximum(soft(shape, 0.012), soft(single, 0.03))
    light, own = crowns(rng, size, 9)
    needles = soft(noise(rng, size, 260, 3) - 0.58, 0.05)
    fine, fine_own = crowns(rng, size, 6)
    light, own = light + (fine - light) * needles, own + (fine_own - own) * needles
    leaf = rgb((0.10, 0.16, 0.07)) + light[:, :, None] * rgb((0.24, 0.29, 0.15))
    leaf += (own - 0.5)[:, :, None] * rgb((0.07, 0.06, 0.02))
    mix(leaf, leaf * rgb((0.62, 0.72, 0.85)), needles)
    mix(picture, (0.08, 0.11, 0.08), shifted(wood, 8, 6) * 0.55)
    mix(picture, leaf, wood)


def _places(rng: np.random.Generator, size: int, course: list[Point]) -> list[tuple[float, float, float]]:
    """x, y and radius of the villages, apart from each other and from the river."""
    places: list[tuple[float, float, float]] = []
    for _ in range(200):
        x, y = rng.uniform(0.12, 0.88, 2) * size
        radius = rng.uniform(0.055, 0.1) * max(size, 1024)
        is_dry = min(math.dist((x, y), point) for point in course) > 1.3 * radius + 60
        if is_dry and all(math.hypot(x - px, y - py) > 0.3 * size for px, py, _ in places):
            places.append((float(x), float(y), float(radius)))
        if len(places) == 5:
            break
    return places


def _near(size: int, towns: list[tuple[float, float, float]]) -> Map:
    """1 in and around villages."""
    rows, cols = np.mgrid[0:size, 0:size].astype(np.float32)
    near = np.zeros((size, size), np.float32)
    for x, y, radius in towns:
        near = np.maximum(near, soft(radius * 1.25 - np.hypot(cols - x, rows - y), 20))
    return near


def _roads(rng: np.random.Generator, size: int, towns: list[tuple[float, float, float]]) -> list[list[Point]]:
    """Roads between neighbouring villages and out of the scene."""
    ends: list[Point] = [(x, y) for x, y, _ in towns]
    lines = [curve(rng, a, b, 0.06) for i, a in enumerate(ends) for b in ends[i + 1 :] if math.dist(a, b) < 0.62 * size]
    for x, y in ends:
        out = min(((-20, y), (size + 20, y), (x, -20), (x, size + 20)), key=lambda edge: math.dist(edge, (x, y)))
        lines.append(curve(rng, (x, y), out, 0.05))
    return lines


def _draw_town(rng: np.random.Generator, canvas: Image.Image, town: tuple[float, float, float]) -> None:
    """Streets, gardens, houses with a lit and a shaded side of the roof, and their shadows."""
    x, y, radius = town
    angle, block = rng.uniform(0, math.pi), rng.uniform(58, 74)
    draw = ImageDraw.Draw(canvas)
    along, across = (math.cos(angle), math.sin(angle)), (-math.sin(angle), math.cos(angle))

    def at(s: float, t: float) -> Point:
        return x + s * along[0] + t * across[0], y + s * along[1] + t * across[1]

    streets = np.arange(-radius, radius + 1, block)
    lots = []
    for t in streets:
        reach = math.sqrt(max(0, radius**2 - t**2)) + 10
        for side in (-1, 1):
            lots += [(s, t + side * 17, side) for s in np.arange(-reach, reach, rng.uniform(19, 24))]
    lots = [lot for lot in lots if math.hypot(lot[0], lot[1]) < radius * rng.uniform(0.85, 1.1) and rng.random() < 0.88]
    for s, t, side in lots:
        tint = rng.normal(0, 8)
        green = tuple(int(c + tint) for c in ((108, 128, 74) if rng.random() < 0.7 else (140, 138, 98)))
        draw.polygon(box_at(at(s, t + side * 5), 22, 34, angle), fill=green)
    for t in streets:
        reach = math.sqrt(max(0, radius**2 - t**2)) + 10
        draw.line([at(-reach, t), at(reach, t)], fill=(150, 148, 144), width=6)
    for s in np.arange(-radius, radius + 1, 3.2 * block):
        reach = math.sqrt(max(0, radius**2 - s**2)) + 6
        draw.line([at(s, -reach), at(s, reach)], fill=(146, 144, 141), width=6)
    for s, t, side in lots:
        _draw_house(rng, draw, at(s + rng.uniform(-2, 2), t), angle)
        if rng.random() < 0.6:
            _draw_tree(rng, draw, at(s + rng.uniform(-9, 9), t + side * rng.uniform(12, 19)))
    _draw_hall(rng, draw, at(radius * 1.05, rng.uniform(-0.4, 0.4) * radius), angle)


def _draw_house(rng: np.random.Generator, draw: ImageDraw.ImageDraw, centre: Point, angle: float) -> None:
    length, width, height = rng.uniform(10, 15), rng.uniform(8, 10.5), rng.uniform(4, 6)
    turned = angle + (math.pi / 2 if rng.random() < 0.25 else 0)
    roof = np.array(ROOFS[rng.integers(len(ROOFS))]) + rng.normal(0, 0.03)
    _draw_roof(draw, centre, (length, width, height), turned, roof)


def _draw_hall(rng: np.random.Generator, draw: ImageDraw.ImageDraw, centre: Point, angle: float) -> None:
    """A yard with large sheds at the edge of the village."""
    draw.polygon(box_at(centre, 92, 70, angle), fill=(158, 154, 146))
    for offset in (-22, 8, 34):
        middle = (centre[0] + offset * math.cos(angle), centre[1] + offset * math.sin(angle))
        _draw_roof(draw, middle, (rng.uniform(38, 56), 20, 8), angle + math.pi / 2, np.array((0.78, 0.79, 0.80)))


def _draw_roof(
    draw: ImageDraw.ImageDraw, centre: Point, sides: tuple[float, float, float], angle: float, roof: NDArray[np.float64]
) -> None:
    length, width, height = sides
    for step in np.linspace(0, height, 6):
        draw.polygon(box_at((centre[0] + SUN[0] * step, centre[1] + SUN[1] * step), length, width, angle), fill=(52, 56, 50))
    across = (-math.sin(angle), math.cos(angle))
    for side in (-1, 1):
        lit = 1.12 if side * (across[0] * SUN[0] + across[1] * SUN[1]) < 0 else 0.80
        half = (centre[0] + side * across[0] * width / 4, centre[1] + side * across[1] * width / 4)
        draw.polygon(box_at(half, length, width / 2, angle), fill=_rgb(roof * lit))


def _draw_tree(rng: np.random.Generator, draw: ImageDraw.ImageDraw, at: Point) -> None:
    radius = rng.uniform(2.2, 4.2)
    for offset, shrink, colour in ((2.5, 1.0, (50, 56, 42)), (0.0, 1.0, (58, 80, 42)), (-0.8, 0.6, (84, 108, 58))):
        x, y, r = at[0] + offset * SUN[0], at[1] + offset * SUN[1], radius * shrink
        draw.ellipse([x - r, y - r, x + r, y + r], fill=colour)


def _rgb(colour: NDArray[np.float64]) -> tuple[int, int, int]:
    r, g, b = np.clip(colour * 255, 0, 255).astype(int).tolist()
    return r, g, b


def _to_image(picture: Map) -> Image.Image:
    return Image.fromarray((np.clip(picture, 0, 1) * 255).astype(np.uint8))


def _finish(rng: np.random.Generator, canvas: Image.Image) -> NDArray[np.uint8]:
    """A lens and a sensor: a little blur, then a little noise; (H, W, 3) uint8, never 0."""
    pixels = np.asarray(canvas.filter(ImageFilter.GaussianBlur(0.7)), np.float32)
    grain = rng.normal(0, 2.2, pixels.shape[:2]).astype(np.float32)
    return np.asarray(np.clip(pixels + grain[:, :, None], 1, 255), np.uint8)


def _write(path: Path, pixels: NDArray[np.uint8]) -> None:
    size = len(pixels)
    with rasterio.open(
        path, "w", driver="GTiff", width=size, height=size, count=3, dtype="uint8", crs=CRS, compress="deflate", predictor=2,
        transform=rasterio.Affine(1, 0, WEST, 0, -1, NORTH), tiled=True, blockxsize=256, blockysize=256, interleave="pixel",
        photometric="RGB",
    ) as target:  # fmt: skip
        target.write(np.moveaxis(pixels, -1, 0))
        target.colorinterp = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
        target.descriptions = ("red", "green", "blue")
        target.update_tags(ACQUISITIONDATETIME=ACQUIRED, TIFFTAG_IMAGEDESCRIPTION="Generated landscape; no real place")
        target.build_overviews([2, 4, 8], Resampling.average)
