"""A map of another origin shows imagery and a saved search, if DYAD_CORS_ORIGINS has its origin."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.pictures import striped
from tests.support.service import Service, document, running_service
from tests.support.web import Answer, WebServer, web_server

if TYPE_CHECKING:
    from playwright.sync_api import Browser

LEAFLET = Path(__file__).parents[2] / "app" / "web" / "vendor" / "leaflet"
PAGE = """<!doctype html><title>Map</title><link rel="stylesheet" href="/leaflet.css"><script src="/leaflet.js"></script>
<div id="map" style="width:512px;height:512px"></div>
<script>
window.told = {};
const map = L.map("map").setView([50.025, 10.2], 11);
for (const [name, address] of Object.entries(LAYERS)) {
  const counts = window.told[name] = {load: 0, error: 0};
  const layer = L.tileLayer(address, {crossOrigin: true}).addTo(map);
  layer.on("tileload", () => counts.load++).on("tileerror", () => counts.error++);
}
</script>"""
DONE = "Object.values(window.told).every((each) => each.load + each.error >= 4)"


@pytest.fixture(scope="module")
def other() -> Iterator[WebServer]:
    """A web server with Leaflet, on another port."""
    types = {"leaflet.js": "text/javascript", "leaflet.css": "text/css"}
    files: dict[str, Answer | bytes] = {
        f"/{name}": Answer((LEAFLET / name).read_bytes(), headers={"Content-Type": kind}) for name, kind in types.items()
    }
    with web_server(files) as server:
        yield server


@pytest.fixture(scope="module")
def mapped(tmp_path_factory: pytest.TempPathFactory, other: WebServer) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("home"), cors_origins=other.url) as service:
        service.create("placed", model="hog", tile_size=64)
        metadata = {f"{n}.png": {"bbox": [10 + n / 10, 50, 10.1 + n / 10, 50.05]} for n in range(4)}
        result = service.upload("placed", {f"{n}.png": striped(n * 10, seed=n) for n in range(4)}, metadata)
        saved = service.client.post("/collections/placed/searches", json={"positives": result["item_ids"][:1]})
        tiles = f"{service.client.base_url}/collections/{{}}/tiles/WebMercatorQuad/{{{{z}}}}/{{{{x}}}}/{{{{y}}}}.png"
        layers = {"imagery": tiles.format("placed"), "similarity": tiles.format(document(saved)["id"])}
        page = PAGE.replace("LAYERS", str(layers).replace("'", '"'))
        other.answers["/map.html"] = Answer(page.encode(), headers={"Content-Type": "text/html"})
        yield service


@pytest.mark.usefixtures("mapped")
@pytest.mark.parametrize(("host", "is_allowed"), [("127.0.0.1", True), ("localhost", False)])
def test_a_map_of_another_origin(browser: Browser, other: WebServer, host: str, is_allowed: bool) -> None:
    context = browser.new_context()
    try:
        page = context.new_page()
        page.set_default_timeout(120_000)
        page.goto(f"http://{host}:{other.port}/map.html")
        page.wait_for_function(DONE)
        told = page.evaluate("window.told")
    finally:
        context.close()
    for counts in told.values():
        assert (counts["load"] > 0, counts["error"] > 0) == (is_allowed, not is_allowed), told
