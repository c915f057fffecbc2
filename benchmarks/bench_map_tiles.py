"""Time to draw a map tile of the similarity of 100 000 indexed tiles, not cached, by zoom."""

from __future__ import annotations

import time

import numpy as np
import shapely

from app.services.maps.mercator import MapTile, to_world
from app.services.maps.similarity_layer import SimilarityLayer
from app.services.maps.similarity_png import Style, draw
from app.services.maps.vector_tile import encode

TILES, SIDE, REPEATS = 100_000, 316, 9
WEST, SOUTH, WIDTH, HEIGHT = 10.0, 45.0, 0.01, 0.007


def make_layer() -> SimilarityLayer:
    """A grid of footprints of about a kilometre with random values."""
    numbers = np.arange(TILES)
    west, south = WEST + numbers % SIDE * WIDTH, SOUTH + numbers // SIDE * HEIGHT
    shapes = shapely.transform(shapely.box(west, south, west + WIDTH, south + HEIGHT), to_world)
    values = np.sort(np.random.default_rng(0).random(TILES)).astype(np.float32)
    ids = [str(number) for number in numbers]
    return SimilarityLayer(shapes, shapely.bounds(shapes), values, ids, numbers, np.full(TILES, np.nan, np.float32))


def main() -> None:
    """Print the median times of PNG and vector tiles in the middle of the layer."""
    layer = make_layer()
    middle = to_world(np.array([[WEST + SIDE / 2 * WIDTH, SOUTH + SIDE / 2 * HEIGHT]]))[0]
    print(f"{'zoom':>4} {'in tile':>8} {'png ms':>8} {'mvt ms':>8}")
    for zoom in range(16):
        column, row = (int(each) for each in middle * 2**zoom)
        tile = MapTile(zoom, column, row)
        times: dict[str, list[float]] = {"png": [], "mvt": []}
        for _ in range(REPEATS):
            start = time.perf_counter()
            draw(layer, tile, Style())
            times["png"].append(time.perf_counter() - start)
            start = time.perf_counter()
            encode(layer, tile, Style(), "similarity")
            times["mvt"].append(time.perf_counter() - start)
        png, mvt = (1000 * float(np.median(times[name])) for name in ("png", "mvt"))
        print(f"{zoom:>4} {len(layer.within(tile)):>8} {png:>8.1f} {mvt:>8.1f}")


if __name__ == "__main__":
    main()
