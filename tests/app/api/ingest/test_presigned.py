"""Pictures as redirects to signed URLs of the object store."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.support.images import geotiff, textured
from tests.support.pictures import striped
from tests.support.s3 import S3Server
from tests.support.service import Service, document, running_service

SMALL = striped(30, form="JPEG")


@pytest.fixture
def stored(s3: S3Server, tmp_path: Path) -> Iterator[Service]:
    """A service whose blobs are in S3, with a small picture, a large one and a scene in its collection `c`."""
    noise = np.random.default_rng(0).integers(0, 255, (700, 700, 3), np.uint8)
    large = io.BytesIO()
    Image.fromarray(noise).save(large, "PNG")
    scene = geotiff(tmp_path / "scene.tif", textured(dtype="uint16"))
    settings = {"blobs_url": f"s3://{s3.bucket()}/dyad", "blobs_public_url": s3.url}
    with running_service(tmp_path / "home", **settings) as service:
        service.create("c", model="hog", tile_size=64)
        service.upload("c", {"small.jpg": SMALL, "large.png": large.getvalue(), "scene.tif": scene})
        yield service


def test_what_a_browser_shows_comes_from_the_store_and_the_rest_from_the_service(stored: Service, s3: S3Server) -> None:
    found = document(stored.client.get("/collections/c/items"))["features"]
    address = {item["properties"]["file_name"]: f"/collections/c/items/{item['id']}" for item in found}
    for what in ("image", "thumbnail"):
        answer = stored.client.get(f"{address['small.jpg']}/{what}")
        assert answer.status_code == 307
        assert answer.headers["location"].startswith(s3.url)
        assert "X-Amz-Expires=3600" in answer.headers["location"]
        assert "max-age=2700" in answer.headers["cache-control"]
        given = httpx.get(answer.headers["location"])
        assert (given.content, given.headers["content-type"]) == (SMALL, "image/jpeg")

    preview = stored.client.get(f"{address['scene.tif']}/thumbnail", follow_redirects=True)
    assert (str(preview.url).startswith(s3.url), preview.headers["content-type"]) == (True, "image/jpeg")
    original = stored.client.get(f"{address['scene.tif']}/image", follow_redirects=True)
    assert (str(original.url).startswith(s3.url), original.headers["content-type"]) == (True, "image/tiff")

    for path in (f"{address['large.png']}/thumbnail", f"{address['small.jpg']}/thumbnail?size=256"):
        assert stored.client.get(path).status_code == 200
    assert stored.client.get("/collections/c/items/00000000-0000-5000-8000-000000000000/image").status_code == 404


def test_a_bucket_that_vanished_is_a_503_that_says_so(stored: Service, s3: S3Server) -> None:
    bucket = stored.container.settings.blobs_url.split("/")[2]
    item = document(stored.client.get("/collections/c/items"))["features"][0]["id"]
    s3.drop(bucket)
    for path in ("/collections", "/collections/c", f"/collections/c/items/{item}/thumbnail?size=64", "/readyz"):
        answer = stored.client.get(path)
        assert answer.status_code == 503, (path, answer.text)
        assert "no such bucket" in answer.text
    assert "Retry-After" in stored.client.get("/collections/c").headers
    assert document(stored.client.get("/healthz"))
    answer = stored.client.post("/collections/c/items", files={"files": ("a.jpg", SMALL)})
    assert answer.status_code == 503
    assert stored.container.vectors.indexes() != []
