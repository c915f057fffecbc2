"""A service whose vector server hangs, stops and restarts."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.support.process import ServeProcess
from tests.support.qdrant import QdrantProcess

TILES = 60


def picture(seed: int) -> bytes:
    file = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def vectors(tmp_path: Path) -> Iterator[QdrantProcess]:
    with QdrantProcess(tmp_path / "qdrant") as server:
        yield server


@pytest.fixture
def service(vectors: QdrantProcess, tmp_path: Path) -> Iterator[ServeProcess]:
    with ServeProcess(tmp_path / "home", DYAD_VECTORS_URL=vectors.url, DYAD_QDRANT_TIMEOUT="1") as served:
        assert served.client.post("/collections", json={"id": "a", "model": "hog", "tile_size": 64}).status_code == 201
        yield served


def wait_for_end(service: ServeProcess, job: str) -> dict[str, Any]:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        document: dict[str, Any] = service.client.get(job).json()
        if document["status"] not in ("accepted", "running"):
            return document
        time.sleep(0.2)
    raise TimeoutError(job)


def test_requests_are_refused_in_time_and_a_job_outlasts_it(vectors: QdrantProcess, service: ServeProcess) -> None:
    vectors.freeze()
    for path in ("/collections/a/items", "/readyz"):
        assert service.client.get(path).status_code == 503
    vectors.thaw()
    assert service.client.get("/collections/a/items").status_code == 200
    files = [("files", (f"{number}.png", picture(number), "image/png")) for number in range(TILES)]
    job = service.client.post("/collections/a/items", files=files).headers["location"]
    vectors.kill()
    refused = service.client.get("/collections/a/items")
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
    vectors.start()
    document = wait_for_end(service, job)
    assert document["status"] == "successful", document
    assert service.client.get("/collections/a").json()["item_count"] == TILES
