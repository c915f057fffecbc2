"""A real cluster: API, Celery workers, Redis and a vector server in processes of their own, which are killed."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from redis import Redis

from app.settings import load_settings
from app.telemetry.worker_metrics import prepare_metrics
from tests.support.cluster import Cluster, items_of, until, wait_for_job
from tests.support.images import jpeg_bytes, zipped
from tests.support.load import Load
from tests.support.process import ServeProcess
from tests.support.redis import free_port

FILES = 120
SOME_KB = 160 * 1024
"""More than a worker's child has before its first task, less than after it."""


@pytest.fixture(scope="module")
def cluster(require_program: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    require_program("redis-server")
    with Cluster(tmp_path_factory.mktemp("cluster")) as made:
        yield made


@pytest.fixture(scope="module")
def api(cluster: Cluster) -> ServeProcess:
    return cluster.api()


@pytest.fixture
def client(cluster: Cluster, api: ServeProcess) -> Iterator[httpx.Client]:
    yield api.client
    for worker in cluster.workers:
        worker.kill()
    with Redis.from_url(cluster.redis.url) as redis:
        redis.delete("unacked", "unacked_index", *redis.keys("ingest*"), *redis.keys("embed*"), "none")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A zip of pictures that are cut into several chunks."""
    members = {f"{number}.jpg": jpeg_bytes(number, 32) for number in range(FILES)}
    return zipped(tmp_path_factory.mktemp("archive") / "tiles.zip", members)


def submit(client: httpx.Client, collection: str, archive: Path, model: str = "hog") -> str:
    client.post("/collections", json={"id": collection, "model": model}).raise_for_status()
    with archive.open("rb") as file:
        answer = client.post(f"/collections/{collection}/items", files={"files": ("tiles.zip", file)})
    assert answer.status_code == 201, answer.text
    return answer.headers["location"]


def check_whole(client: httpx.Client, collection: str, location: str) -> None:
    """Every file is indexed once, and the job names it."""
    job = wait_for_job(client, location)
    assert (job["status"], job["progress"]) == ("successful", 100), job
    tiles = items_of(client, collection)
    assert sorted(tile["properties"]["file_name"] for tile in tiles) == sorted(f"{number}.jpg" for number in range(FILES))
    results = client.get(f"{location}/results").raise_for_status().json()
    assert sorted(results["item_ids"]) == sorted(tile["id"] for tile in tiles)
    assert results["indexed"] + results["unchanged"] >= FILES
    image = client.get(f"/collections/{collection}/items/{tiles[0]['id']}/image")
    assert image.status_code == 200


def is_begun(client: httpx.Client, location: str) -> Callable[[], bool]:
    """Whether a chunk is done, and the job is not."""

    def look() -> bool:
        job = client.get(location).raise_for_status().json()
        assert job["status"] in ("accepted", "running"), job
        return bool(job["progress"] > 0)

    return look


def test_what_one_process_takes_in_another_indexes(cluster: Cluster, client: httpx.Client, archive: Path) -> None:
    cluster.worker(processes=2)
    location = submit(client, "shared", archive)
    check_whole(client, "shared", location)
    answer = client.post("/collections/shared/search", files={"image": ("7.jpg", jpeg_bytes(7, 32))}).raise_for_status()
    assert answer.json()["features"][0]["properties"]["file_name"] == "7.jpg"
    blobs = cluster.folder / "blobs"
    kept = [blobs / name for name in ("uploads", "upload-marks", "work", "journal")]
    until(lambda: not any(path.is_file() for folder in kept for path in folder.rglob("*")), "what the job had to be cleared")
    assert client.get("/readyz").status_code == 200


def test_a_query_is_embedded_by_a_worker_and_here_once_there_is_none(
    cluster: Cluster, client: httpx.Client, archive: Path
) -> None:
    worker = cluster.worker()
    check_whole(client, "asked", submit(client, "asked", archive, model="dyad-rgb-128"))
    remote = cluster.api(DYAD_INFERENCE="remote").client

    def search() -> str:
        answer = remote.post("/collections/asked/search", files={"image": ("7.jpg", jpeg_bytes(7, 32))}).raise_for_status()
        name: str = answer.json()["features"][0]["properties"]["file_name"]
        return name

    def is_answered_there() -> bool:
        assert search() == "7.jpg"
        return re.search(r"dyad\.embed_query\S* succeeded", cluster.log.read_text()) is not None

    until(is_answered_there, "a query that a worker embedded")
    worker.kill()
    assert search() == "7.jpg"


def test_a_killed_worker_costs_no_tile(cluster: Cluster, client: httpx.Client, archive: Path) -> None:
    first = cluster.worker()
    location = submit(client, "killed", archive)
    until(is_begun(client, location), "a first chunk")
    first.kill()
    cluster.worker(pool="solo")
    check_whole(client, "killed", location)


def test_a_killed_child_is_replaced(cluster: Cluster, client: httpx.Client, archive: Path) -> None:
    worker = cluster.worker()
    location = submit(client, "child", archive)
    until(is_begun(client, location), "a first chunk")
    children = Path(f"/proc/{worker.process.pid}/task/{worker.process.pid}/children").read_text().split()
    os.kill(int(children[-1]), signal.SIGKILL)
    check_whole(client, "child", location)


def test_a_child_that_has_grown_is_replaced_between_tasks(cluster: Cluster, client: httpx.Client, tmp_path: Path) -> None:
    few = zipped(tmp_path / "few.zip", {f"{number}.jpg": jpeg_bytes(number, 32) for number in range(4)})
    worker = cluster.worker(f"--max-memory-per-child={SOME_KB}")
    workers: set[str] = set()

    def child() -> str:
        found = Path(f"/proc/{worker.process.pid}/task/{worker.process.pid}/children").read_text().split()
        return found[0] if len(found) == 1 else ""

    for collection in ("grown", "again"):
        until(lambda: child() not in {"", *workers}, "a new child")
        workers.add(child())
        location = submit(client, collection, few)
        assert wait_for_job(client, location)["status"] == "successful"
        assert client.get(f"{location}/results").raise_for_status().json()["indexed"] == 4
    assert worker.process.poll() is None


def test_a_warm_shutdown_puts_the_job_back(cluster: Cluster, client: httpx.Client, archive: Path) -> None:
    worker = cluster.worker()
    location = submit(client, "warm", archive)
    until(is_begun(client, location), "a first chunk")
    assert worker.stop() == 0
    job = client.get(location).json()
    assert (job["status"], job["attempts"]) == ("accepted", 0), job
    assert "waiting to continue" in job["message"]
    cluster.worker()
    check_whole(client, "warm", location)


def test_a_dismissed_job_stops_and_the_worker_goes_on(cluster: Cluster, client: httpx.Client, archive: Path) -> None:
    cluster.worker()
    location = submit(client, "dismissed", archive)
    until(is_begun(client, location), "a first chunk")
    assert client.delete(location).json()["status"] == "dismissed"
    next_one = submit(client, "next", archive)
    assert wait_for_job(client, next_one)["status"] == "successful"
    assert client.get(location).json()["status"] == "dismissed"
    client.delete("/collections/dismissed").raise_for_status()


def test_a_redis_that_forgot_everything_loses_no_job(cluster: Cluster, client: httpx.Client, archive: Path) -> None:
    location = submit(client, "forgotten", archive)
    cluster.redis.forget()
    assert client.get(location).status_code == 404
    cluster.beat()
    cluster.worker()
    until(lambda: client.get(location).status_code == 200, "the job's return")
    check_whole(client, "forgotten", location)


def test_without_redis_requests_are_told_at_once_to_come_back(cluster: Cluster, client: httpx.Client, archive: Path) -> None:
    client.post("/collections", json={"id": "down", "model": "hog"}).raise_for_status()
    cluster.redis.kill()
    try:
        before = time.monotonic()
        with archive.open("rb") as file:
            answer = client.post("/collections/down/items", files={"files": ("tiles.zip", file)})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5"), answer.text
        assert "Redis does not answer" in answer.json()["detail"]
        assert client.get("/readyz").status_code == 503
        assert client.get("/collections/down").status_code == 200
        assert time.monotonic() - before < 60
    finally:
        cluster.redis.start()
    until(lambda: client.get("/readyz").status_code == 200, "Redis")


def test_a_redis_that_hangs_costs_nobody_more_than_seconds(cluster: Cluster, client: httpx.Client, api: ServeProcess) -> None:
    client.post("/collections", json={"id": "hung", "model": "hog"}).raise_for_status()
    cluster.worker()
    cluster.beat()
    load = Load([api.url], "hung", side=32)
    with load.running(1):
        until(lambda: bool(load.promised), "a first upload")
        cluster.redis.freeze()
        try:
            until(lambda: load.tallies["ingest"].statuses["503"] > 0, "an upload that is told to come back")
            until(lambda: load.tallies["search"].statuses["200"] > 1, "a search")
        finally:
            cluster.redis.thaw()
    assert [tally.wrong for tally in load.tallies.values()] == [[], [], []]
    for location in load.promised:
        assert wait_for_job(client, location)["status"] == "successful"
    names = [item["properties"]["source"] for item in items_of(client, "hung")]
    assert len(names) == len(set(names))
    assert set(load.promised.values()) <= set(names)


def test_a_worker_tells_of_its_work_with_the_request_that_asked_for_it(
    cluster: Cluster, client: httpx.Client, archive: Path
) -> None:
    settings = load_settings({"DYAD_METRICS_ADDRESS": f"127.0.0.1:{free_port()}"}, home=cluster.folder / "home")
    env = {"DYAD_METRICS_ADDRESS": settings.metrics_address}
    prepare_metrics(settings, env, 0)
    cluster.worker(processes=2, DYAD_LOG_FORMAT="json", **env)
    client.headers["X-Request-ID"] = "told-1"
    location = submit(client, "told", archive)
    del client.headers["X-Request-ID"]
    check_whole(client, "told", location)

    def told() -> str:
        return httpx.get(f"http://{settings.metrics_address}/metrics").text

    until(lambda: 'dyad_job_seconds_count{kind="ingest",outcome="successful"} 1.0' in told(), "the job's metrics")
    assert f"dyad_tiles_indexed_total {FILES}.0" in told()
    lines = [json.loads(line) for line in cluster.log.read_text().splitlines() if line.startswith("{")]
    assert {line["job_id"] for line in lines if line.get("request_id") == "told-1"} == {location.rsplit("/", 1)[-1]}
