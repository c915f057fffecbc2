"""From labels to a collection with better results, over HTTP, with the training and evaluation programs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.pictures import striped
from tests.support.service import Service, document

ANGLES = {"stripes": 0, "slopes": 45}


@pytest.fixture
def labelled(service: Service, fresh: Callable[..., str]) -> str:
    """A collection of twelve tiles each of two labels, and six without."""
    name = fresh(tile_size=64)
    files = {
        f"{label}{seed}.png": striped(angle + seed / 2, seed=seed, size=64)
        for label, angle in ANGLES.items()
        for seed in range(12)
    }
    more = {f"{seed}.png": striped(120, seed=seed, size=64) for seed in range(6)}
    service.upload(name, {**files, **more}, {file: {"labels": [file.rstrip("0123456789.png")]} for file in files})
    return name


def test_labels_become_a_model_an_index_and_a_report(service: Service, labelled: str) -> None:
    accepted = service.client.post("/processes/train/execution", json={"inputs": {"collection": labelled, "title": "Lines"}})
    assert accepted.status_code == 201, accepted.text
    job = document(accepted)
    assert (job["processID"], job["collection"]) == ("train", labelled)
    trained = service.results(accepted)
    assert trained["classes"] == ["slopes", "stripes"]
    model = document(service.client.get(f"/models/{trained['model']}"))
    assert model["title"] == "Lines"
    reindexed = service.wait(f"/jobs/{trained['reindex_job']}")
    assert reindexed["status"] == "successful"
    outcome = document(service.client.get(f"/jobs/{trained['reindex_job']}/results"))
    collection = document(service.client.get(f"/collections/{labelled}"))
    assert collection["index"]["version"] == outcome["index_version"]
    assert (collection["index"]["model"] == trained["model"]) == outcome["switched"]

    accepted = service.client.post("/processes/evaluate/execution", json={"inputs": {"collection": labelled}})
    measured = service.results(accepted)
    assert measured["index_version"] == outcome["index_version"]
    assert 0 < measured["metrics"]["map"] <= 1
    job = document(service.client.get(accepted.headers["location"]))
    page = service.client.get(next(link["href"] for link in job["links"] if link["rel"] == "report"))
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["content-security-policy"].startswith("default-src 'none'; img-src data:")
    assert "<h1" in page.text
    assert "<script" not in page.text
    assert service.client.get(f"/jobs/{trained['reindex_job']}/report").status_code == 404


@pytest.mark.parametrize(
    ("inputs", "status", "field"),
    [
        ({}, 422, "inputs.collection"),
        ({"collection": "?", "seed": "x"}, 422, "inputs.seed"),
        ({"collection": "nowhere"}, 404, None),
        ({"collection": "?", "recipe": "dance"}, 400, None),
        ({"collection": "?", "model_id": "lbp-rgb"}, 409, None),
    ],
)
def test_what_cannot_be_trained_is_refused_at_once(
    service: Service, labelled: str, inputs: dict[str, str], status: int, field: str | None
) -> None:
    inputs = {name: labelled if value == "?" else value for name, value in inputs.items()}
    answer = service.client.post("/processes/train/execution", json={"inputs": inputs})
    assert answer.status_code == status, answer.text
    if field is not None:
        assert [error["loc"] for error in document(answer)["errors"]] == [field]


def test_a_body_of_another_form_is_refused(service: Service) -> None:
    bodies: tuple[Any, ...] = ({"inputs": []}, {"outputs": {}}, [])
    for body in bodies:
        assert service.client.post("/processes/train/execution", json=body).status_code == 422
