from __future__ import annotations

import json
from collections.abc import Callable

from tests.support.pictures import striped
from tests.support.service import Service, document


def test_a_job_is_an_ogc_status_document(service: Service, fresh: Callable[..., str]) -> None:
    name = fresh()
    accepted = service.client.post(f"/collections/{name}/items", files={"files": ("a.png", striped(0))})
    assert accepted.status_code == 201
    job = document(accepted)
    assert (job["jobID"], job["processID"], job["type"], job["collection"]) == (job["id"], "ingest", "process", name)
    assert accepted.headers["location"].endswith(f"/jobs/{job['id']}")
    ended = service.wait(accepted.headers["location"])
    assert (ended["status"], ended["progress"]) == ("successful", 100)
    assert ended["counts"]["indexed"] == 1
    assert ended["created"] <= ended["started"] <= ended["finished"]
    results = [link["href"] for link in ended["links"] if link["rel"].endswith("/results")]
    assert document(service.client.get(results[0]))["indexed"] == 1
    listed = document(service.client.get("/jobs", params={"collection": name}))["jobs"]
    assert [entry["id"] for entry in listed] == [job["id"]]


def test_events_follow_a_job_to_its_end(service: Service, fresh: Callable[..., str]) -> None:
    name = fresh()
    files = [("files", (f"{number}.png", striped(number * 3))) for number in range(40)]
    job = document(service.client.post(f"/collections/{name}/items", files=files))
    states = []
    with service.client.stream("GET", f"/jobs/{job['id']}/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        for line in stream.iter_lines():
            if line.startswith("data:"):
                states.append(json.loads(line.removeprefix("data:")))
    assert states[-1]["status"] == "successful"
    progress = [state["progress"] for state in states]
    assert progress == sorted(progress)


def test_dismissing_a_waiting_job(service: Service, fresh: Callable[..., str]) -> None:
    name = fresh()
    many = [("files", (f"{number}.png", striped(number))) for number in range(100)]
    first = document(service.client.post(f"/collections/{name}/items", files=many))
    second = document(service.client.post(f"/collections/{name}/items", files={"files": ("z.png", striped(7))}))
    early = document(service.client.get(f"/jobs/{second['id']}/results"))
    assert (early["status"], early["type"].rpartition("/")[2]) == (404, "result-not-ready")
    assert document(service.client.delete(f"/jobs/{second['id']}"))["status"] == "dismissed"
    assert document(service.client.delete(f"/jobs/{first['id']}"))["status"] == "dismissed"
    assert service.container.queue.wait(first["id"], 30)
    kept = document(service.client.get(f"/collections/{name}"))["item_count"]
    assert kept < 100
    images = list(service.container.blobs.keys(f"collections/{name}/"))
    assert len(images) == kept
    assert first["id"] not in service.container.folders.ids()
    assert document(service.client.delete(f"/jobs/{first['id']}"))["status"] == "dismissed"
    assert service.client.get(f"/jobs/{second['id']}/results").status_code == 400


def test_unknown_jobs_are_404(service: Service) -> None:
    for path in ("", "/results", "/events"):
        assert service.client.get(f"/jobs/none{path}").status_code == 404
    assert service.client.delete("/jobs/none").status_code == 404


def test_jobs_page(service: Service, fresh: Callable[..., str]) -> None:
    name = fresh()
    made = [
        document(service.client.post(f"/collections/{name}/items", files={"files": (f"{n}.png", striped(n))}))["id"]
        for n in range(3)
    ]
    seen = []
    page = document(service.client.get("/jobs", params={"collection": name, "limit": 2}))
    while page["jobs"]:
        seen += [job["id"] for job in page["jobs"]]
        following = [link["href"] for link in page["links"] if link["rel"] == "next"]
        if not following:
            break
        page = document(service.client.get(following[0]))
    assert seen == made[::-1]
