"""Whatever a job does, it can be dismissed, other jobs run beside it, and the process ends: the real service."""

from __future__ import annotations

import io
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import rasterio
from PIL import Image
from rasterio import Affine

from app.inference import supervised_runs
from app.queue.forced_exit import EXIT_SECONDS
from tests.support.bundle_zips import packed
from tests.support.bundles import write_bundle
from tests.support.hostile_models import looping_graph
from tests.support.pictures import striped
from tests.support.process import ROOT, ServeProcess
from tests.support.service import Service, running_service

SIDE = 500_000
STOPPED_WITHIN = 10
MODEL = {"model": "lbp-rgb"}


def sparse_scene(path: Path, **options: Any) -> Path:
    """A scene of 500 000 x 500 000 pixels, none of which is stored."""
    profile: dict[str, Any] = {
        "driver": "GTiff", "width": SIDE, "height": SIDE, "count": 3, "dtype": "uint8", "tiled": True, "blockxsize": 512,
        "blockysize": 512, "compress": "deflate", "crs": "EPSG:32632", "transform": Affine(1, 0, 400_000, 0, -1, 5_600_000),
    }  # fmt: skip
    with rasterio.open(path, "w", SPARSE_OK="TRUE", BIGTIFF="YES", **{**profile, **options}):
        return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "read"
    folder.mkdir()
    return folder


@pytest.fixture
def service(tmp_path: Path, folder: Path) -> Iterator[Service]:
    with running_service(tmp_path / "home", read_roots=(str(folder),)) as running:
        yield running


def start(client: Any, collection: str, scene: Path) -> str:
    """Index a file on the server; return the URL of the job when it runs."""
    answer = client.post(f"/collections/{collection}/items", json={"href": str(scene)})
    assert answer.status_code == 201, answer.text
    location: str = answer.headers["location"]
    deadline = time.monotonic() + 60
    while client.get(location).json()["status"] == "accepted":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return location


def dismissed_within(service: Service, location: str, seconds: float) -> bool:
    """Dismiss a job; whether nothing of it runs after `seconds`."""
    answer = service.client.delete(location)
    assert answer.status_code == 200, answer.text
    assert answer.json()["status"] == "dismissed"
    return service.container.queue.wait(answer.json()["id"], seconds)


@pytest.mark.parametrize("options", [{"nodata": 0}, {}, {"nodata": 0, "blockxsize": 16_384, "blockysize": 16_384, "count": 1}])
def test_a_huge_empty_scene_blocks_nobody_and_can_be_dismissed(service: Service, folder: Path, options: dict[str, Any]) -> None:
    service.create("huge", **MODEL, **({"bands": [1, 1, 1]} if "count" in options else {}))
    service.create("other", **MODEL)
    job = start(service.client, "huge", sparse_scene(folder / "huge.tif", **options))
    assert service.upload("other", {"a.png": striped(1, seed=1)})["indexed"] == 1
    time.sleep(1)
    assert service.client.get(job).json()["status"] in ("running", "failed")
    if "blockxsize" in options:  # refused by the size of its blocks
        assert service.wait(job)["status"] == "failed"
    else:
        assert dismissed_within(service, job, STOPPED_WITHIN)
    assert service.upload("huge", {"b.png": striped(1, seed=1)})["indexed"] == 1


def test_a_model_without_end_can_be_dismissed_and_answers_queries_with_503(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = packed(write_bundle(tmp_path / "looping", looping_graph(only_bright=True)), tmp_path / "looping.zip")
    imported = service.client.post("/models", files={"bundle": archive.read_bytes()})
    assert imported.status_code == 201, imported.text
    service.create("stuck", model="looping")
    service.create("other", **MODEL)
    answer = service.client.post("/collections/stuck/items", files={"files": ("bright.png", bright())})
    location = answer.headers["location"]
    assert service.upload("other", {"a.png": striped(1, seed=1)})["indexed"] == 1
    assert service.client.get(location).json()["status"] == "running"
    assert dismissed_within(service, location, STOPPED_WITHIN)

    monkeypatch.setattr(supervised_runs, "QUERY_SECONDS", 1.5)
    assert service.upload("stuck", {"dark.png": striped(1, seed=1)})["indexed"] == 1
    found = service.client.post("/collections/stuck/search", files={"image": ("bright.png", bright())})
    assert found.status_code == 503, found.text
    assert "did not answer within 1.5 s" in found.json()["detail"]


def bright() -> bytes:
    """A white picture, for which `looping_graph(only_bright=True)` does not end."""
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), "white").save(buffer, "PNG")
    return buffer.getvalue()


def test_sigterm_ends_the_process_whatever_its_jobs_do(tmp_path: Path, folder: Path) -> None:
    archive = packed(write_bundle(tmp_path / "looping", looping_graph(only_bright=True)), tmp_path / "looping.zip")
    with ServeProcess(tmp_path / "home", DYAD_READ_ROOTS=str(folder)) as service:
        imported = service.client.post("/models", files={"bundle": archive.read_bytes()})
        assert imported.status_code == 201, imported.text
        service.client.post("/collections", json={"id": "huge", **MODEL})
        service.client.post("/collections", json={"id": "stuck", "model": "looping"})
        scene = start(service.client, "huge", sparse_scene(folder / "huge.tif"))
        model = service.client.post("/collections/stuck/items", files={"files": ("bright.png", bright())}).headers["location"]
        time.sleep(2)
        statuses = [service.client.get(location).json()["status"] for location in (scene, model)]
        assert statuses == ["running", "running"]
        begun = time.monotonic()
        assert service.stop() == 0
        assert time.monotonic() - begun < EXIT_SECONDS


STUCK = """
import threading, time
from app.queue.forced_exit import exit_within
threading.Thread(target=time.sleep, args=(60,)).start()
exit_within(0.5, lambda: print("jobs are interrupted", flush=True))
"""


def test_the_process_exits_even_if_a_thread_does_not_stop() -> None:
    begun = time.monotonic()
    done = subprocess.run([sys.executable, "-c", STUCK], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (1, "jobs are interrupted\n")
    assert "it exits now" in done.stderr
    assert time.monotonic() - begun < 30
