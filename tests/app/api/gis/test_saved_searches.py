"""Saved searches: layers of their results, map tiles, and links for programs without headers."""

from __future__ import annotations

import io
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import geopandas
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from app.domain.keys import Role
from app.domain.queries.search import TileFilter
from app.domain.temporal import Interval
from app.ports import Extent, VectorStore
from app.services.maps.date_counts import counts_by_interval
from app.stores.key_file import add_key
from tests.app.api.gis.conftest import Placed
from tests.support.pictures import striped
from tests.support.service import Service, document, running_service

QUAD = "tiles/WebMercatorQuad"


@pytest.fixture
def saved(service: Service, placed: Placed) -> dict[str, Any]:
    body = {"title": "Like the first", "positives": [placed.items[0]]}
    answer = service.client.post(f"{placed.url}/searches", json=body)
    assert answer.status_code == 201, answer.text
    return document(answer)


def pixels(content: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(content)) as image:
        assert image.size == (256, 256)
        return np.asarray(image.convert("RGBA"))


def tile_at(lon: float, lat: float, z: int) -> tuple[int, int]:
    y = 0.5 - np.arcsinh(np.tan(np.radians(lat))) / (2 * np.pi)
    return int((lon / 360 + 0.5) * 2**z), int(y * 2**z)


def test_a_search_is_saved_listed_and_deleted(service: Service, placed: Placed, saved: dict[str, Any]) -> None:
    assert (saved["title"], saved["collection"], saved["pinned"]) == ("Like the first", placed.id, True)
    listed = document(service.client.get(f"{placed.url}/searches"))["searches"]
    assert saved["id"] in {each["id"] for each in listed}
    assert document(service.client.get(f"/searches/{saved['id']}"))["query"] == {"positives": [placed.items[0]]}
    assert service.client.delete(f"/searches/{saved['id']}").status_code == 204
    for path in (f"/searches/{saved['id']}", f"/collections/{saved['id']}", f"/collections/{saved['id']}/items"):
        assert service.client.get(path).status_code == 404


def test_it_is_a_collection_whose_items_are_all_results(service: Service, placed: Placed, saved: dict[str, Any]) -> None:
    collection = document(service.client.get(f"/collections/{saved['id']}"))
    assert (collection["itemType"], collection["title"]) == ("feature", "Like the first")
    found, address = [], f"/collections/{saved['id']}/items?limit=4"
    while address:
        page = document(service.client.get(address))
        found += page["features"]
        address = next((link["href"] for link in page["links"] if link["rel"] == "next"), "")
    assert [each["properties"]["rank"] for each in found] == list(range(1, 12))
    filtered = document(service.client.get(f"/collections/{saved['id']}/items?bbox=10.3,50,10.49,51&filter=n > 3"))
    assert [each["properties"]["n"] for each in filtered["features"]] == [4]
    assert service.client.get(f"/collections/{saved['id']}/items?sortby=n").status_code == 400
    item = found[0]["id"]
    assert document(service.client.get(f"/collections/{saved['id']}/items/{item}"))["id"] == item


def test_clients_that_follow_the_link_to_the_collections_find_it(service: Service, saved: dict[str, Any]) -> None:
    """As QGIS: the address of the link `data` of the landing page, and the identifier behind it."""
    links = service.client.get("/", headers={"Accept": "application/json"}).json()["links"]
    data = next(link["href"] for link in links if link["rel"] == "data")
    found = service.client.get(f"{data}/{saved['id']}")
    assert found.status_code == 200, found.text
    assert (found.json()["id"], found.json()["title"]) == (saved["id"], saved["title"])
    own = next(link["href"] for link in found.json()["links"] if link["rel"] == "self")
    assert own == f"{data}/{saved['id']}"
    assert service.client.get(f"{data}/{saved['id']}/items?limit=3").json()["numberReturned"] == 3


def test_gdal_and_geopandas_read_every_result(
    service: Service, saved: dict[str, Any], require_program: Callable[[str], Path], tmp_path: Path
) -> None:
    (tmp_path / "found.gpkg").write_bytes(service.client.get(f"/collections/{saved['id']}/items?f=gpkg").content)
    frame = geopandas.read_file(tmp_path / "found.gpkg")
    assert sorted(frame["rank"]) == list(range(1, 12))
    url = f"OAPIF:{str(service.client.base_url).rstrip('/')}/collections/{saved['id']}"
    done = subprocess.run(
        [require_program("ogrinfo"), "-so", "-al", url, "-oo", "PAGE_SIZE=4"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Feature Count: 11" in done.stdout, done.stdout + done.stderr


def test_an_uploaded_image_and_filters_are_kept(service: Service, placed: Placed) -> None:
    form = {"image": ("q.png", striped(3)), "query": (None, b'{"filter": "n < 6", "title": "Upload"}')}
    search = document(service.client.post(f"{placed.url}/searches", files=form))
    assert (search["has_image"], search["title"]) == (True, "Upload")
    features = document(service.client.get(f"/collections/{search['id']}/items?limit=100"))["features"]
    assert sorted(each["properties"]["n"] for each in features) == [0, 1, 2, 3, 4, 5]
    assert service.client.get(f"/searches/{search['id']}/image").content == striped(3)


def test_a_search_without_an_upload_has_no_image(service: Service, saved: dict[str, Any]) -> None:
    answer = service.client.get(f"/searches/{saved['id']}/image")
    assert (answer.status_code, "has no image" in document(answer)["detail"]) == (404, True)


def test_a_search_stays_on_its_index_version(service: Service, placed: Placed, saved: dict[str, Any]) -> None:
    before = document(service.client.get(f"/collections/{saved['id']}/items?limit=100"))
    inputs = {"collection": placed.id, "model": "lbp-rgb", "force": True}
    job = service.wait(service.client.post("/processes/reindex/execution", json={"inputs": inputs}).headers["location"])
    current = document(service.client.get(placed.url))["index"]["version"]
    assert current != saved["index_version"], job
    after = document(service.client.get(f"/collections/{saved['id']}/items?limit=100"))
    assert [each["id"] for each in after["features"]] == [each["id"] for each in before["features"]]
    told = document(service.client.get(f"/searches/{saved['id']}"))
    assert (told["pinned"], told["current_index_version"]) == (True, current)
    assert 0 <= told["common_with_current"] <= 10


def test_similarity_tiles(service: Service, saved: dict[str, Any]) -> None:
    base = f"/collections/{saved['id']}/{QUAD}"
    world = service.client.get(f"{base}/0/0/0.png")
    assert world.headers["content-type"] == "image/png"
    assert 0 < (pixels(world.content)[..., 3] > 0).sum() < 1000
    x, y = tile_at(10.12, 50.02, 12)
    near = pixels(service.client.get(f"{base}/12/{x}/{y}.png").content)
    assert set(np.unique(near[..., 3])) == {0, 204}
    assert (near[..., 3] > 0).mean() > 0.05
    other = pixels(service.client.get(f"{base}/12/{x}/{y}.png?colormap=magma&opacity=1").content)
    assert (other[..., 3].max(), np.array_equal(other[..., :3], near[..., :3])) == (255, False)
    hidden = service.client.get(f"{base}/12/{x}/{y}.png?min_probability=1")
    assert (pixels(hidden.content)[..., 3] > 0).sum() <= (near[..., 3] > 0).sum()
    assert not pixels(service.client.get(f"{base}/12/0/0.png").content)[..., 3].any()
    tag = world.headers["etag"]
    assert service.client.get(f"{base}/0/0/0.png", headers={"If-None-Match": tag}).status_code == 304


def test_vector_tiles_are_read_by_gdal(
    service: Service, saved: dict[str, Any], require_program: Callable[[str], Path], tmp_path: Path
) -> None:
    x, y = tile_at(10.12, 50.02, 9)
    answer = service.client.get(f"/collections/{saved['id']}/{QUAD}/9/{x}/{y}.mvt")
    assert answer.headers["content-type"] == "application/vnd.mapbox-vector-tile"
    folder = tmp_path / "9" / str(x)
    folder.mkdir(parents=True)
    (folder / f"{y}.pbf").write_bytes(answer.content)
    done = subprocess.run(
        [require_program("ogrinfo"), "-al", folder / f"{y}.pbf"], capture_output=True, text=True, timeout=60, check=False
    )
    assert "Layer name: similarity" in done.stdout, done.stdout + done.stderr
    assert "rank (Integer) = " in done.stdout
    assert "POLYGON ((" in done.stdout
    cells = service.client.get(f"/collections/{saved['id']}/{QUAD}/0/0/0.mvt").content
    assert b"count" in cells


def test_all_footprints_of_a_collection_are_vector_tiles(
    service: Service, placed: Placed, require_program: Callable[[str], Path], tmp_path: Path
) -> None:
    x, y = tile_at(10.12, 50.02, 8)
    address = f"{placed.url}/{QUAD}/8/{x}/{y}.mvt"
    (tmp_path / "tile.pbf").write_bytes(service.client.get(address).content)
    source = f"MVT:{tmp_path / 'tile.pbf'}"
    done = subprocess.run([require_program("ogrinfo"), "-al", source], capture_output=True, text=True, timeout=60, check=False)
    assert "Layer name: footprints" in done.stdout, done.stdout + done.stderr
    assert f"id (String) = {placed.items[1]}" in done.stdout
    assert "datetime (String) = 2025-02-01T00:00:00Z" in done.stdout
    assert b"count" in service.client.get(f"{placed.url}/{QUAD}/0/0/0.mvt").content
    march = service.client.get(f"{address}?datetime=2025-03-01/2025-03-31").content
    assert placed.items[2].encode() in march
    assert placed.items[1].encode() not in march
    assert service.client.get(f"{address}?datetime=1999-01-01").content == b""
    described = document(service.client.get(f"{placed.url}/{QUAD}/tilejson.json?format=mvt"))
    assert described["vector_layers"][0]["id"] == "footprints"


def test_dates_of_a_collection(service: Service, placed: Placed) -> None:
    found = document(service.client.get(f"{placed.url}/dates"))
    assert found["dates"] == [{"date": f"2025-{month:02}-01", "count": 1} for month in range(1, 13)]
    assert found["undated"] == 0
    assert service.client.get("/collections/none/dates").status_code == 404


class Counted:
    """The times of a vector store, as its extent and its counts."""

    def __init__(self, *times: datetime) -> None:
        self.times = times

    def extent(self, index: str) -> Extent:
        return Extent(None, Interval(min(self.times), max(self.times)))

    def count(self, index: str, filter: TileFilter) -> int:
        assert filter.interval is not None
        start, end = filter.interval.start, filter.interval.end
        assert start is not None
        return sum(start <= each and (end is None or each <= end) for each in self.times)


def test_dates_of_a_large_collection_are_months_or_years() -> None:
    times = [
        datetime(2019, 12, 31, 23, 59, 59, 999999, UTC),
        datetime(2020, 1, 1, tzinfo=UTC),
        datetime(2020, 1, 31, tzinfo=UTC),
    ]
    assert counts_by_interval(cast(VectorStore, Counted(*times)), "i") == [("2019-12", 1), ("2020-01", 2)]
    old = datetime(1985, 7, 1, tzinfo=UTC)
    assert counts_by_interval(cast(VectorStore, Counted(old, *times)), "i") == [("1985", 1), ("2019", 1), ("2020", 2)]
    last = datetime(9999, 12, 31, tzinfo=UTC)
    assert counts_by_interval(cast(VectorStore, Counted(times[1], last)), "i")[-1] == ("9999", 1)


def test_imagery_tiles(service: Service, placed: Placed) -> None:
    x, y = tile_at(10.02, 50.02, 12)
    address = f"{placed.url}/{QUAD}/12/{x}/{y}.png"
    shown = pixels(service.client.get(address).content)
    assert (shown[..., 3] > 0).mean() > 0.2
    assert shown[shown[..., 3] > 0][:, 0].std() > 20
    assert not pixels(service.client.get(f"{address}?datetime=1999-01-01").content)[..., 3].any()
    assert pixels(service.client.get(f"{address}?bands=3,2,1").content)[..., 3].any()
    for query in ("bands=9", "bands=x"):
        assert service.client.get(f"{address}?{query}").status_code == 400


def test_gdal_reads_the_wmts_and_the_tiles(
    service: Service, saved: dict[str, Any], require_program: Callable[[str], Path]
) -> None:
    here = f"{str(service.client.base_url).rstrip('/')}/collections/{saved['id']}"
    for source in (
        f"WMTS:{here}/wmts?SERVICE=WMTS&REQUEST=GetCapabilities",
        f"<GDAL_WMS><Service name='TMS'><ServerUrl>{here}/{QUAD}/${{z}}/${{x}}/${{y}}.png</ServerUrl></Service>"
        "<DataWindow><UpperLeftX>-20037508.34</UpperLeftX><UpperLeftY>20037508.34</UpperLeftY><LowerRightX>20037508.34"
        "</LowerRightX><LowerRightY>-20037508.34</LowerRightY><TileLevel>10</TileLevel><TileCountX>1</TileCountX>"
        "<TileCountY>1</TileCountY><YOrigin>top</YOrigin></DataWindow><Projection>EPSG:3857</Projection>"
        "<BandsCount>4</BandsCount></GDAL_WMS>",
    ):
        command = [str(require_program("gdalinfo")), source]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert "Pseudo-Mercator" in done.stdout, done.stdout + done.stderr


def test_tilejson(service: Service, placed: Placed, saved: dict[str, Any]) -> None:
    for name in (saved["id"], placed.id):
        found = document(service.client.get(f"/collections/{name}/{QUAD}/tilejson.json"))
        assert found["bounds"] == pytest.approx([10, 50, 11.15, 50.05])
        address = found["tiles"][0].replace("{z}", "0").replace("{x}", "0").replace("{y}", "0")
        assert service.client.get(address).headers["content-type"] == "image/png"
    assert service.client.get(f"/collections/{saved['id']}/legend.png").status_code == 200
    for path in ("0/0/0.png?colormap=none", "0/1/0.png", "99/0/0.png"):
        assert service.client.get(f"/collections/{saved['id']}/{QUAD}/{path}").status_code == 400


def test_links_open_a_layer_without_a_key_until_they_are_revoked(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    admin, reader = add_key(file, "admin", Role.ADMIN), add_key(file, "reader", Role.READ)
    with running_service(tmp_path / "home", api_keys_file=file) as service:
        service.client.headers["X-API-Key"] = admin
        service.create("c", model="hog", tile_size=64)
        ids = service.upload("c", {f"{n}.png": striped(n) for n in range(3)}, {"0.png": {"bbox": [1, 2, 3, 4]}})["item_ids"]
        search = document(service.client.post("/collections/c/searches", json={"positives": ids[:1]}))
        made = service.client.post(f"/collections/{search['id']}/links", json={"expires_in": 60})
        assert made.status_code == 201, made.text
        links = {link["rel"] + link.get("title", ""): link["href"] for link in document(made)["links"]}
        short = document(service.client.post("/collections/c/links", json={"expires_in": 1}))
        assert service.client.post("/collections/c/links", json={}, headers={"X-API-Key": reader}).status_code == 403
        del service.client.headers["X-API-Key"]
        page = service.client.get(links["items"])
        assert page.status_code == 200, page.text
        assert service.client.get(page.json()["features"][0]["properties"]["thumbnail"]).status_code == 200
        tile = links["tilesXYZ"].replace("{z}", "0").replace("{x}", "0").replace("{y}", "0")
        assert service.client.get(tile).status_code == 200
        assert "link=" in service.client.get(links["tilejson"]).json()["tiles"][0]
        assert "link=" in service.client.get(links["wmts"]).text
        secret = links["items"].partition("link=")[2]
        for path in ("/collections", "/collections/c", "/collections/c/items", f"/searches/{search['id']}"):
            assert service.client.get(path, params={"link": secret}).status_code in (400, 401), path
        assert service.client.get("/collections/c/items", params={"link": "x.c"}).status_code == 401
        time.sleep(1)
        items = next(link["href"] for link in short["links"] if link["rel"] == "items")
        assert service.client.get(items).status_code == 401
        key = {"X-API-Key": admin}
        listed = document(service.client.get(f"/collections/{search['id']}/links", headers=key))["shared"]
        assert secret not in str(listed)
        done = service.client.delete(f"/collections/{search['id']}/links/{listed[0]['id']}", headers=key)
        assert done.status_code == 204
        assert service.client.get(links["items"]).status_code == 401
