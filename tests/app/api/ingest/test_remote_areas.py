"""Only the requested area of scenes on the web is read, by range requests, and cut into the tiles of the whole scene."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.io import MemoryFile
from rasterio.warp import transform_bounds

from tests.support.service import Service, document, running_service
from tests.support.web import Answer, WebServer, web_server

SIDE = 2048
CRS = "EPSG:32633"


def scene(bands: int = 3, *, pixel: float = 10, seed: int = 0, nodata: float | None = None, grain: int = 1) -> bytes:
    """A TIFF of noise, which nothing compresses, in blocks of 256 pixels. grain: side of squares of one value."""
    side = int(SIDE * 10 / pixel)
    values = np.random.default_rng(seed).integers(1, 255, (bands, side // grain, side // grain), dtype=np.uint8)
    values = values.repeat(grain, axis=1).repeat(grain, axis=2)
    grid = {"crs": CRS, "transform": rasterio.Affine(pixel, 0, 400_000, 0, -pixel, 5_800_000), "nodata": nodata}
    blocks = {"tiled": True, "blockxsize": 256, "blockysize": 256}
    with MemoryFile() as memory:
        with memory.open(driver="GTiff", width=side, height=side, count=bands, dtype="uint8", **grid, **blocks) as target:
            target.write(values)
        return bytes(memory.getbuffer())


def bounds(row: int, col: int, size: int) -> list[float]:
    """The bbox of pixels, a little inside of them."""
    left, top = 400_000 + 10 * col + 300, 5_800_000 - 10 * row - 300
    return list(transform_bounds(CRS, "OGC:CRS84", left, top - 10 * size + 600, left + 10 * size - 600, top))


def item(**assets: dict[str, Any]) -> bytes:
    box = bounds(0, 0, SIDE)
    west, south, east, north = box
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return json.dumps(
        {
            "type": "Feature",
            "stac_version": "1.0.0",
            "id": "one",
            "geometry": {"type": "Polygon", "coordinates": [ring]},
            "bbox": box,
            "properties": {"datetime": "2024-05-01T10:00:00Z"},
            "links": [],
            "assets": {key: {"roles": ["data"], "type": "image/tiff", **asset} for key, asset in assets.items()},
        }
    ).encode()


@pytest.fixture(scope="module")
def web() -> Iterator[WebServer]:
    bands = {"red": scene(1, seed=1), "green": scene(1, pixel=20, seed=2), "blue": scene(1, seed=3)}
    answers: dict[str, Answer | bytes] = {
        "/data/scene.tif": Answer(scene(), headers={"ETag": '"1"'}, ranges=True),
        "/data/whole.tif": scene(),
        "/data/squares.tif": Answer(scene(grain=32), ranges=True),
        "/data/squares.json": item(visual={"href": "squares.tif"}),
        "/data/item.json": item(visual={"href": "scene.tif"}),
        "/data/whole.json": item(visual={"href": "whole.tif"}),
        "/data/bands.json": item(**{name: {"href": f"{name}.tif", "eo:bands": [{"common_name": name}]} for name in bands}),
    }
    answers |= {f"/data/{name}.tif": Answer(body, ranges=True) for name, body in bands.items()}
    with web_server(answers) as server:
        yield server


@pytest.fixture(scope="module")
def reading(tmp_path_factory: pytest.TempPathFactory, web: WebServer) -> Iterator[Service]:
    home = tmp_path_factory.mktemp("home")
    with running_service(home, read_roots=f"{web.url}/data/", max_upload_mb=32) as running:
        yield running


def ingest(service: Service, collection: str, href: str, **more: Any) -> dict[str, Any]:
    answer = service.client.post(f"/collections/{collection}/items", json={"href": href, **more})
    assert answer.status_code == 201, answer.text
    return service.results(answer)


def windows(service: Service, collection: str) -> set[str]:
    found = document(service.client.get(f"/collections/{collection}/items?limit=100"))["features"]
    return {each["properties"]["window"] for each in found}


def test_only_an_area_is_read(reading: Service, web: WebServer) -> None:
    reading.create("area", model="hog", tile_size=256)
    size, box = len(web.answers["/data/scene.tif"].body), bounds(256, 512, 512)
    result = ingest(reading, "area", f"{web.url}/data/item.json", bbox=box)
    assert (result["indexed"], result["rejected"]) == (4, []), "2 x 2 windows; the others have no pixels"
    assert windows(reading, "area") == {"512,256,256,256", "768,256,256,256", "512,512,256,256", "768,512,256,256"}
    assert web.sent["/data/scene.tif"] < size / 6, (web.sent["/data/scene.tif"], size)
    assert ingest(reading, "area", f"{web.url}/data/item.json", bbox=box)["unchanged"] == 4
    image = reading.client.get(f"/collections/area/items/{result['item_ids'][0]}/image").content
    with rasterio.open(io.BytesIO(image)) as tile, rasterio.open(io.BytesIO(web.answers["/data/scene.tif"].body)) as whole:
        left, _, _, top = tile.bounds
        row, col = whole.index(left + 5, top - 5)
        np.testing.assert_array_equal(tile.read(), whole.read(window=((row, row + 256), (col, col + 256))))


def test_files_of_bands_are_read_in_parts(reading: Service, web: WebServer) -> None:
    reading.create("bands", model="hog", tile_size=256, bands=["red", "green", "blue"])
    result = ingest(reading, "bands", f"{web.url}/data/bands.json", bbox=bounds(1024, 1024, 256))
    assert (result["indexed"], result["rejected"]) == (1, [])
    assert windows(reading, "bands") == {"1024,1024,256,256"}
    names = [f"/data/{name}.tif" for name in ("red", "green", "blue")]
    assert 0 < sum(web.sent[name] for name in names) < sum(len(web.answers[name].body) for name in names) / 6


def test_a_server_without_ranges_is_read_whole(reading: Service, web: WebServer) -> None:
    reading.create("whole", model="hog", tile_size=256)
    result = ingest(reading, "whole", f"{web.url}/data/whole.json", bbox=bounds(0, 0, 256))
    assert (result["indexed"], windows(reading, "whole")) == (1, {"0,0,256,256"})
    direct = ingest(reading, "whole", f"{web.url}/data/scene.tif", bbox=bounds(1792, 1792, 256))
    assert direct["indexed"] == 1
    assert "1792,1792,256,256" in windows(reading, "whole")


def test_an_area_elsewhere_is_left_out(reading: Service, web: WebServer) -> None:
    reading.create("elsewhere", model="hog", tile_size=256)
    result = ingest(reading, "elsewhere", f"{web.url}/data/scene.tif", bbox=[0, 0, 1, 1])
    assert (result["indexed"], result["rejected"]) == (0, [])
    assert "does not meet the bbox" in result["notes"][0]["note"]


def test_redirects_of_parts_are_checked(reading: Service, web: WebServer) -> None:
    reading.create("redirected", model="hog", tile_size=256)
    web.answers["/data/moved.tif"] = Answer(b"", 302, {"Location": "/data/scene.tif"})
    assert ingest(reading, "redirected", f"{web.url}/data/moved.tif", bbox=bounds(0, 0, 256))["indexed"] == 1
    with web_server({"/data/secret.tif": Answer(scene(), ranges=True)}) as elsewhere:
        web.answers["/data/out.tif"] = Answer(b"", 302, {"Location": f"{elsewhere.url}/data/secret.tif"})
        result = ingest(reading, "redirected", f"{web.url}/data/out.tif", bbox=bounds(0, 0, 256))
        assert elsewhere.asked == []
    assert "DYAD_READ_ROOTS" in result["rejected"][0]["reason"]


def test_a_schedule_reads_an_area(reading: Service, web: WebServer) -> None:
    reading.create("scheduled", model="hog", tile_size=256)
    source = {"stac": f"{web.url}/data/items.json", "bbox": bounds(0, 0, 512)}
    web.answers["/data/items.json"] = Answer(
        json.dumps({"type": "FeatureCollection", "features": [json.loads(item(visual={"href": "scene.tif"}))]}).encode()
    )
    before, size = web.sent["/data/scene.tif"], len(web.answers["/data/scene.tif"].body)
    put = reading.client.put("/collections/scheduled/schedule", json={"cron": "@yearly", "sources": [source]})
    assert put.status_code == 200, put.text
    assert reading.results(reading.client.post("/collections/scheduled/schedule/run"))["indexed"] == 4
    assert web.sent["/data/scene.tif"] - before < size / 6


def similarities(service: Service, url: str, query: dict[str, Any]) -> dict[str, float]:
    """Similarities of the results of a search, by item."""
    answer = service.client.post(f"{url}/search", json=query)
    assert answer.status_code == 200, answer.text
    return {each["id"]: each["properties"]["similarity"] for each in document(answer)["features"]}


def centre(feature: dict[str, Any]) -> list[float]:
    """The middle of a footprint."""
    ring = feature["geometry"]["coordinates"][0][:4]
    return [sum(x for x, _ in ring) / 4, sum(y for _, y in ring) / 4]


@pytest.mark.parametrize("href", ["squares.json", "squares.tif"])
def test_a_window_of_a_scene_is_the_query(reading: Service, web: WebServer, href: str) -> None:
    """The window of a tile finds that tile, and only these parts of the file are read."""
    name = f"query-{href}".replace(".", "-")
    url = f"/collections/{name}"
    reading.create(name, model="hog", tile_size=256)
    assert ingest(reading, name, f"{web.url}/data/squares.json", bbox=bounds(0, 0, 1024))["indexed"] == 16
    wanted = document(reading.client.get(f"{url}/items", params={"filter": "window = '256,512,256,256'"}))["features"][0]
    before, size = web.sent["/data/squares.tif"], len(web.answers["/data/squares.tif"].body)
    for place in ({"point": centre(wanted)}, {"region": wanted["geometry"]}):
        scenes = [{"href": f"{web.url}/data/{href}", **place}]
        best, value = next(iter(similarities(reading, url, {"scenes": scenes}).items()))
        assert best == wanted["id"]
        assert value == pytest.approx(1, abs=0.02)
    assert 0 < web.sent["/data/squares.tif"] - before < size
    other = {
        "positives": [next(id for id in similarities(reading, url, {"scenes": scenes}) if id != wanted["id"])],
        "limit": 16,
    }
    unlike = {**other, "negative_scenes": scenes}
    assert similarities(reading, url, unlike)[wanted["id"]] < similarities(reading, url, other)[wanted["id"]] - 0.02
    assert list((reading.container.home.staging / "search").iterdir()) == []


def test_a_window_of_files_of_bands_is_the_query(reading: Service, web: WebServer) -> None:
    reading.create("query-bands", model="hog", tile_size=256, bands=["red", "green", "blue"])
    assert ingest(reading, "query-bands", f"{web.url}/data/bands.json", bbox=bounds(0, 0, 512))["indexed"] == 4
    for wanted in document(reading.client.get("/collections/query-bands/items"))["features"]:
        query = {"scenes": [{"href": f"{web.url}/data/bands.json", "point": centre(wanted)}]}
        best, value = next(iter(similarities(reading, "/collections/query-bands", query).items()))
        assert best == wanted["id"]
        assert value == pytest.approx(1, abs=2e-3)


@pytest.mark.parametrize(
    ("scene", "status", "said"),
    [
        ({"href": "scene.tif", "point": [0, 0]}, 400, "does not meet"),
        ({"href": "scene.tif"}, 400, "give point or region"),
        ({"href": "scene.tif", "point": [0, 0], "region": {"type": "Point", "coordinates": [0, 0]}}, 400, "not both"),
        ({"href": "nothing.tif", "point": [13.5, 52.3]}, 400, "404"),
        ({"href": "/etc/passwd", "point": [13.5, 52.3]}, 403, "DYAD_READ_ROOTS"),
        ({"href": "http://127.0.0.1:1/a.tif", "point": [13.5, 52.3]}, 400, "DYAD_READ_ROOTS"),
    ],
)
def test_wrong_windows_are_named(reading: Service, web: WebServer, scene: dict[str, Any], status: int, said: str) -> None:
    if "wrong" not in {each["id"] for each in document(reading.client.get("/collections"))["collections"]}:
        reading.create("wrong", model="hog", tile_size=256)
        ingest(reading, "wrong", f"{web.url}/data/item.json", bbox=bounds(0, 0, 256))
    href = scene["href"] if "/" in scene["href"] else f"{web.url}/data/{scene['href']}"
    answer = reading.client.post("/collections/wrong/search", json={"scenes": [{**scene, "href": href}]})
    assert (answer.status_code, said in document(answer)["detail"]) == (status, True), answer.text
