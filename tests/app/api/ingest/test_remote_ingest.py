"""`href` as a URL: the job fetches it only from servers that the settings allow."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from tests.support.pictures import striped
from tests.support.service import Service, document, running_service
from tests.support.web import Answer, WebServer, endless_server, web_server


@pytest.fixture(scope="module")
def web() -> Iterator[WebServer]:
    with web_server({"/data/one.png": striped(0, size=64)}) as server:
        yield server


@pytest.fixture(scope="module")
def endless() -> Iterator[str]:
    with endless_server() as url:
        yield url


@pytest.fixture(scope="module")
def reading(tmp_path_factory: pytest.TempPathFactory, web: WebServer, endless: str) -> Iterator[Service]:
    """A service that may read from `web`/data/ and `endless`."""
    home = tmp_path_factory.mktemp("home")
    with running_service(home, read_roots=f"{home},{web.url}/data/,{endless}", max_upload_mb=1) as running:
        running.create("tiles", model="hog", tile_size=64)
        yield running


def ingest(service: Service, href: str) -> dict[str, Any]:
    answer = service.client.post("/collections/tiles/items", json={"href": href})
    assert answer.status_code == 201, answer.text
    return service.results(answer)


def stac_item(**assets: str) -> bytes:
    item = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": "one",
        "geometry": {"type": "Point", "coordinates": [10, 50]},
        "bbox": [10, 50, 10, 50],
        "properties": {"datetime": "2024-05-01T10:00:00Z", "labels": ["harbor"]},
        "links": [],
        "assets": {key: {"href": href, "roles": ["data"]} for key, href in assets.items()},
    }
    return json.dumps(item).encode()


def test_a_picture_is_indexed_by_its_address_and_once(reading: Service, web: WebServer) -> None:
    url = f"{web.url}/data/one.png"
    assert ingest(reading, url)["indexed"] == 1
    assert ingest(reading, url)["unchanged"] == 1
    features = document(reading.client.get("/collections/tiles/items?limit=100"))["features"]
    found = [feature["properties"] for feature in features if feature["properties"]["source"] == url]
    assert [properties["file_name"] for properties in found] == ["one.png"]


def test_a_zip_is_unpacked(reading: Service, web: WebServer, tmp_path: Path) -> None:
    with ZipFile(tmp_path / "more.zip", "w") as archive:
        archive.writestr("a.png", striped(20, size=64))
    web.answers["/data/more.zip"] = Answer((tmp_path / "more.zip").read_bytes())
    results = ingest(reading, f"{web.url}/data/more.zip")
    assert (results["indexed"], results["rejected"]) == (1, [])


def test_an_item_on_the_web_brings_its_images_and_no_others(reading: Service, web: WebServer, tmp_path: Path) -> None:
    (tmp_path / "local.png").write_bytes(striped(70, size=64))
    with web_server({"/data/secret.png": striped(80, size=64)}) as elsewhere:
        web.answers["/data/items/two.png"] = Answer(striped(40, size=64))
        assets = {
            "near": "two.png",
            "up": "../one.png",
            "other": f"{elsewhere.url}/data/secret.png",
            "file": f"file://{tmp_path}/local.png",
            "out": "../../etc.png",
        }
        web.answers["/data/items/item.json"] = Answer(stac_item(**assets))
        results = ingest(reading, f"{web.url}/data/items/item.json")
        assert elsewhere.asked == []
    assert results["indexed"] == 2
    reasons = {each["file_name"].rpartition("#")[2]: each["reason"] for each in results["rejected"]}
    assert set(reasons) == {"other", "file", "out"}
    assert all("DYAD_READ_ROOTS" in reasons[key] for key in ("other", "out"))
    feature = document(reading.client.get(f"/collections/tiles/items/{results['item_ids'][0]}"))
    assert feature["geometry"]["type"] == "Point"
    assert feature["properties"]["labels"] == ["harbor"]


def test_an_item_here_may_name_images_there(reading: Service, web: WebServer, tmp_path: Path) -> None:
    folder = reading.container.home.blobs.parent / "items"
    folder.mkdir()
    (folder / "item.json").write_bytes(stac_item(data=f"{web.url}/data/one.png", none=f"{web.url}/data/none.png"))
    results = ingest(reading, str(folder / "item.json"))
    assert results["indexed"] == 1
    assert ["answered 404" in each["reason"] for each in results["rejected"]] == [True]


def test_what_may_not_be_read_is_refused_at_once(reading: Service, service: Service, web: WebServer) -> None:
    asked = len(web.asked)
    for href, status in (
        (f"{web.url}/other/one.png", 403),
        (f"http://localhost:{web.port}/data/one.png", 403),
        (f"{web.url}/data/one.png?x=1", 400),
        (f"http://x@127.0.0.1:{web.port}/data/one.png", 400),
        ("s3://bucket/one.png", 403),
        ("s3://bucket:80/one.png", 400),
        ("gs://bucket/one.png", 400),
    ):
        answer = reading.client.post("/collections/tiles/items", json={"href": href})
        assert answer.status_code == status, (href, answer.text)
    service.create("web-none", model="hog")
    answer = service.client.post("/collections/web-none/items", json={"href": f"{web.url}/data/one.png"})
    assert (answer.status_code, "DYAD_READ_ROOTS" in answer.text) == (403, True)
    assert len(web.asked) == asked


def test_too_large_a_file_is_rejected(reading: Service, web: WebServer) -> None:
    web.answers["/data/large.png"] = Answer(b"\x89PNG\r\n\x1a\n" + bytes(2 << 20))
    results = ingest(reading, f"{web.url}/data/large.png")
    assert "DYAD_MAX_UPLOAD_MB" in results["rejected"][0]["reason"]


def test_dismissing_a_job_ends_its_download(reading: Service, endless: str) -> None:
    answer = reading.client.post("/collections/tiles/items", json={"href": f"{endless}huge.tif"})
    job = document(answer)["id"]
    deadline = time.monotonic() + 60
    while not any(reading.container.home.staging.rglob("fetched-*")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert document(reading.client.delete(f"/jobs/{job}"))["status"] == "dismissed"
    assert reading.container.queue.wait(job, 30)
    assert reading.staged() == []
