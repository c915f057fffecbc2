from __future__ import annotations

from tests.support.service import Service, document


def test_every_process_describes_itself(service: Service) -> None:
    answer = document(service.client.get("/processes"))
    for summary in answer["processes"]:
        assert "async-execute" in summary["jobControlOptions"]
        here, execute = summary["links"]
        process = document(service.client.get(here["href"]))
        assert (process["id"], execute["href"]) == (summary["id"], f"{here['href']}/execution")
        assert process["inputs"]["collection"]["schema"]["type"] == "string"
        assert process["inputs"]["collection"]["minOccurs"] == 1


def test_an_unknown_process_is_not_found(service: Service) -> None:
    assert service.client.get("/processes/dance").status_code == 404
    assert service.client.post("/processes/dance/execution", json={"inputs": {}}).status_code == 404
