"""OGC API Processes: the bodies, problem types and filters of the standard."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from owslib.ogcapi.processes import Processes

from tests.app.api.gis.conftest import Placed
from tests.support.pictures import striped
from tests.support.service import Service, document, running_service
from tests.support.web import Answer, WebServer, web_server

OGC = "http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0/"


def test_owslib_executes_a_process(service: Service, placed: Placed) -> None:
    processes = Processes(str(service.client.base_url))
    assert "reindex" in {each["id"] for each in processes.processes()}
    job = processes.execute(
        "reindex", {"collection": placed.id}, outputs={"item_ids": {"transmissionMode": "value"}}, async_=True
    )
    assert service.wait(f"/jobs/{job['jobID']}")["processID"] == "reindex"
    listed = document(service.client.get("/jobs", params={"processID": "reindex", "type": "process"}))["jobs"]
    assert job["jobID"] in {each["id"] for each in listed}
    assert {each["processID"] for each in listed} == {"reindex"}


def test_the_body_of_an_execution(service: Service, placed: Placed) -> None:
    body = {"inputs": {"collection": placed.id}, "response": "document", "subscriber": {"successUri": "http://example.com/"}}
    answer = service.client.post("/processes/reindex/execution", json=body)
    assert answer.status_code == 201, answer.text
    job = service.wait(answer.headers["location"])
    assert "DYAD_READ_ROOTS" in job["callbacks"]["successUri"], "an address that may not be called is not called"
    unknown = service.client.post("/processes/reindex/execution", json={**body, "outputs": {"nothing": {}}})
    assert (unknown.status_code, document(unknown)["errors"][0]["loc"]) == (422, "outputs.nothing")


def test_problems_have_the_types_of_the_standard(service: Service) -> None:
    found = document(service.client.get("/processes/dance"))
    assert (found["status"], found["type"]) == (404, f"{OGC}no-such-process")
    for path in ("", "/results"):
        found = document(service.client.get(f"/jobs/00000000-0000-4000-8000-000000000000{path}"))
        assert (found["status"], found["type"]) == (404, f"{OGC}no-such-job")


@pytest.fixture(scope="module")
def web() -> Iterator[WebServer]:
    with web_server({"/hooks/done?token=1": b"", "/hooks/begun": Answer(b"", 204), "/hooks/failed": b""}) as server:
        yield server


@pytest.fixture(scope="module")
def calling(tmp_path_factory: pytest.TempPathFactory, web: WebServer) -> Iterator[Service]:
    """A service that may send requests to `web`/hooks/."""
    home = tmp_path_factory.mktemp("home")
    with running_service(home, read_roots=f"{home},{web.url}/hooks/") as running:
        running.create("tiles", model="hog", tile_size=64)
        running.upload("tiles", {"one.png": striped(0)})
        yield running


def executed(service: Service, process: str, inputs: dict[str, Any], **subscriber: str) -> dict[str, Any]:
    """Execute a process and wait for the end and the calls; its job."""
    answer = service.client.post(f"/processes/{process}/execution", json={"inputs": inputs, "subscriber": subscriber})
    assert answer.status_code == 201, answer.text
    service.wait(answer.headers["location"])
    deadline = time.monotonic() + 30
    while True:
        job = document(service.client.get(answer.headers["location"]))
        if "waiting" not in (job["callbacks"]["successUri"], job["callbacks"]["inProgressUri"]):
            return job
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_subscriber_is_called(calling: Service, web: WebServer) -> None:
    addresses = {"successUri": f"{web.url}/hooks/done?token=1", "inProgressUri": f"{web.url}/hooks/begun"}
    job = executed(calling, "reindex", {"collection": "tiles"}, failedUri=f"{web.url}/hooks/failed", **addresses)
    assert job["callbacks"] == {"successUri": "called", "inProgressUri": "called", "failedUri": "waiting"}
    posted = {path: (kind, json.loads(body)) for path, kind, body in web.posted}
    assert set(posted) == {"/hooks/done?token=1", "/hooks/begun"}
    assert posted["/hooks/done?token=1"] == ("application/json", document(calling.client.get(f"/jobs/{job['id']}/results")))
    begun = posted["/hooks/begun"][1]
    assert (begun["jobID"], begun["processID"], begun["status"], begun["type"]) == (job["id"], "reindex", "running", "process")
    assert web.url not in calling.client.get(f"/jobs/{job['id']}").text, "an address may contain a secret"


def test_addresses_that_refuse_or_are_not_allowed_stop_nothing(calling: Service, web: WebServer) -> None:
    calls = calling.container.callbacks
    calls.pauses = (0.01,)
    asked = len(web.asked)
    with web_server({"/hooks/done": b""}) as elsewhere:
        web.answers["/hooks/gone"] = Answer(b"", 302, {"Location": f"{elsewhere.url}/hooks/done"})
        job = executed(
            calling,
            "reindex",
            {"collection": "tiles"},
            successUri=f"{web.url}/hooks/gone",
            inProgressUri=f"{elsewhere.url}/hooks/done",
            failedUri="file:///etc/passwd",
        )
        assert elsewhere.asked == []
    assert job["status"] == "successful"
    assert "answered 302" in job["callbacks"]["successUri"]
    assert "DYAD_READ_ROOTS" in job["callbacks"]["inProgressUri"]
    assert job["callbacks"]["failedUri"].startswith("not called")
    assert len(web.asked) == asked + 2, "a failed call is repeated"
