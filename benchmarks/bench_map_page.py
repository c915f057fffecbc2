"""The page in Chromium with 100 000 indexed tiles: from click to results, and frames while the map moves.

python benchmarks/bench_map_page.py [--tiles 100000] [--maplibre FOLDER]

FOLDER holds `maplibre-gl.js` and `maplibre-gl.css` (`npm pack maplibre-gl@5`): a map of MapLibre GL then shows the same vector
tiles of all footprints, and is moved in the same way. The tiles have random vectors and no images.
"""

from __future__ import annotations

import argparse
import gzip
import io
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import geopandas
import httpx
import numpy as np
import shapely
from playwright.sync_api import ViewportSize, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks._serving import Served
from benchmarks._table import machine_line
from tests.e2e.conftest import CHROMIUM_ARGS
from tests.support.web import Answer, web_server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

DIMENSION, WEST, SOUTH, WIDTH, HEIGHT = 128, 10.0, 45.0, 0.01, 0.007
SEARCHES, MOVES = 15, 24
SIZE: ViewportSize = {"width": 1440, "height": 900}
COLLECT = """() => {
window.frames_ms = [];
let last = performance.now();
const next = (now) => { window.frames_ms.push(now - last); last = now; window.frame = requestAnimationFrame(next); };
window.frame = requestAnimationFrame(next);
}"""
CLICK = """async (number) => {
const tiles = document.querySelectorAll("#grid .card a.tile");
const before = location.hash, start = performance.now();
tiles[number % tiles.length].click();
const frame = () => new Promise(requestAnimationFrame);
await frame();
const shown = performance.now() - start;
while (location.hash === before || document.querySelector("#grid").ariaBusy !== "false") await frame();
await frame();
return [shown, performance.now() - start];
}"""
MAPLIBRE = """<!doctype html><link rel="stylesheet" href="maplibre-gl.css"><script src="maplibre-gl.js"></script>
<body style="margin:0"><div id="map" style="width:100vw;height:100vh"></div><script>
const map = new maplibregl.Map({container: "map", center: [%f, %f], zoom: 7, style: {version: 8, layers: [
{id: "fill", type: "fill", source: "all", "source-layer": "footprints", paint: {"fill-color": "#146eaa", "fill-opacity": 0.4}},
{id: "line", type: "line", source: "all", "source-layer": "footprints", paint: {"line-color": "#fff"}}],
sources: {all: {type: "vector", tiles: ["%s"], maxzoom: 22}}}});
map.on("load", () => { document.title = "ready"; });
</script>"""


def main() -> None:
    """Print the times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiles", type=int, default=100_000)
    parser.add_argument("--maplibre", type=Path)
    options = parser.parse_args()
    print(machine_line())
    with tempfile.TemporaryDirectory() as folder, web_server({}) as other:
        home = Path(folder)
        served = Served(home / "home", home / "log", DYAD_CORS_ORIGINS=other.url)
        try:
            _index(served.client, options.tiles)
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(CHROMIUM_ARGS))
                _measure_page(browser, served.url)
                if options.maplibre:
                    for name in ("maplibre-gl.js", "maplibre-gl.css"):
                        content = (options.maplibre / name).read_bytes()
                        kind = "text/javascript" if name.endswith("js") else "text/css"
                        other.answers[f"/{name}"] = Answer(content, headers={"Content-Type": kind})
                        print(f"{name}: {len(content) / 1000:.0f} kB, {len(gzip.compress(content)) / 1000:.0f} kB compressed")
                    tiles = f"{served.url}/collections/big/tiles/WebMercatorQuad/{{z}}/{{x}}/{{y}}.mvt"
                    middle = _middle(options.tiles)
                    other.answers["/"] = Answer((MAPLIBRE % (*middle, tiles)).encode(), headers={"Content-Type": "text/html"})
                    _measure_maplibre(browser, other.url)
                browser.close()
        finally:
            served.stop()


def _middle(tiles: int) -> tuple[float, float]:
    side = int(tiles**0.5)
    return WEST + side * WIDTH / 2, SOUTH + side * HEIGHT / 2


def _index(client: httpx.Client, tiles: int) -> None:
    """Index `tiles` random vectors in a grid, as the collection `big`."""
    side, numbers = int(tiles**0.5), np.arange(tiles)
    west, south = WEST + numbers % side * WIDTH, SOUTH + numbers // side * HEIGHT
    vectors = np.random.default_rng(0).standard_normal((tiles, DIMENSION)).astype(np.float32)
    frame = geopandas.GeoDataFrame(
        {"id": [str(number) for number in numbers], "embedding": list(vectors)},
        geometry=shapely.box(west, south, west + WIDTH, south + HEIGHT),
        crs="EPSG:4326",
    )
    file = io.BytesIO()
    frame.to_parquet(file)
    started = time.perf_counter()
    client.post("/collections", json={"id": "big", "model": f"vectors-{DIMENSION}"}).raise_for_status()
    sent = client.post("/collections/big/items", files=[("files", ("big.parquet", file.getvalue()))], timeout=600)
    job: dict[str, Any] = sent.raise_for_status().json()
    while job["status"] in ("accepted", "running"):
        time.sleep(1)
        job = client.get(f"/jobs/{job['id']}").json()
    if job["status"] != "successful":
        raise SystemExit(f"indexing failed: {job['message']}")
    print(f"{job['counts']['indexed']} tiles indexed in {time.perf_counter() - started:.0f} s")


def _measure_page(browser: Browser, url: str) -> None:
    page = browser.new_page(viewport=SIZE)
    started = time.perf_counter()
    page.goto(f"{url}/#collection=big")
    page.locator("#grid .card").first.wait_for(timeout=120_000)
    print(f"page: first results after {time.perf_counter() - started:.2f} s")
    times = np.array([page.evaluate(CLICK, number) for number in range(SEARCHES)])
    first, later = times[0], times[1:]
    p50 = np.median(later, axis=0)
    print(f"page: a click on a result: first {first[1]:.0f} ms; then p50 {p50[1]:.0f} ms, busy after {p50[0]:.0f} ms")
    page.get_by_role("button", name="Layers").first.click()
    page.get_by_role("checkbox", name="Footprints of all tiles").check()
    page.keyboard.press("Escape")
    page.wait_for_timeout(4000)
    _move(page, "page (Leaflet)", lambda: page.locator("#map").bounding_box())


def _measure_maplibre(browser: Browser, url: str) -> None:
    page = browser.new_page(viewport=SIZE)
    page.goto(url)
    for _ in range(240):
        if page.title() == "ready":
            break
        page.wait_for_timeout(250)
    page.wait_for_timeout(4000)
    _move(page, "MapLibre GL", lambda: page.locator("#map").bounding_box())


def _move(page: Page, name: str, box: Callable[[], Any]) -> None:
    """Drag and zoom; print the time between frames."""
    found = box()
    x, y = found["x"] + found["width"] / 3, found["y"] + found["height"] / 2
    page.evaluate(COLLECT)
    for number in range(MOVES):
        page.mouse.move(x, y)
        if number % 3 == 2:
            page.mouse.wheel(0, -240 if number % 2 else 240)
            page.wait_for_timeout(500)
            continue
        page.mouse.down()
        for step in range(12):
            page.mouse.move(x + (step if number % 2 else -step) * 12, y + step * 4)
        page.mouse.up()
    frames: list[float] = page.evaluate("() => { cancelAnimationFrame(window.frame); return window.frames_ms; }")
    p50, p95 = np.quantile(frames, [0.5, 0.95])
    print(f"{name}: {len(frames)} frames while moving, p50 {p50:.0f} ms, p95 {p95:.0f} ms, longest {max(frames):.0f} ms")


if __name__ == "__main__":
    main()
