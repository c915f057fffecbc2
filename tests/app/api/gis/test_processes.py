"""OGC API Processes: the bodies, problem types and filters of the standard."""

from __future__ import annotations

from owslib.ogcapi.processes import Processes

from tests.app.api.gis.conftest import Placed
from tests.support.service import Service, document

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
    service.wait(answer.headers["location"])
    unknown = service.client.post("/processes/reindex/execution", json={**body, "outputs": {"nothing": {}}})
    assert (unknown.status_code, document(unknown)["errors"][0]["loc"]) == (422, "outputs.nothing")


def test_problems_have_the_types_of_the_standard(service: Service) -> None:
    found = document(service.client.get("/processes/dance"))
    assert (found["status"], found["type"]) == (404, f"{OGC}no-such-process")
    for path in ("", "/results"):
        found = document(service.client.get(f"/jobs/00000000-0000-4000-8000-000000000000{path}"))
        assert (found["status"], found["type"]) == (404, f"{OGC}no-such-job")
