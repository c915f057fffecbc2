"""The process `evaluate`: what becomes of what was measured. The program that measures is a small one of the tests."""

from __future__ import annotations

import json
from typing import Any

import pytest

from app.container import Container
from app.domain.jobs import Job, JobStatus
from app.domain.models import DEFAULT_MODEL
from app.errors import InvalidInput, NotFound
from app.services.catalogue.collection_store import reports_prefix
from app.services.training import evaluation
from tests.support.labelled import ended, tiles_of

pytestmark = pytest.mark.usefixtures("tiles")
MANY, FEW = evaluation.FEWEST_QUERIES, evaluation.FEWEST_QUERIES - 1


def evaluate(container: Container, rerank: dict[str, Any] | None, monkeypatch: pytest.MonkeyPatch) -> Job:
    monkeypatch.setattr(evaluation, "PROGRAM", "tests.support.tiny_evaluator")
    (container.home.staging / "rerank.json").write_text(json.dumps(rerank))
    job = ended(container, container.processes.execute("evaluate", {"collection": "shapes"}))
    (container.home.staging / "rerank.json").unlink()
    assert job.status is JobStatus.SUCCESSFUL, job.error
    return job


def test_a_collection_is_re_ranked_by_default_as_its_labels_say(container: Container, monkeypatch: pytest.MonkeyPatch) -> None:
    wishes = []
    for rerank in (
        {"helps": False, "queries": MANY},
        {"helps": True, "queries": FEW},
        None,
        {"helps": True, "queries": MANY},
        {"helps": False, "queries": FEW},
    ):
        job = evaluate(container, rerank, monkeypatch)
        assert job.result is not None
        decided = job.result["rerank"] and job.result["rerank"]["default"]
        wishes.append((decided, container.collections.get("shapes").rerank))
    assert wishes == [(False, False), (None, False), (None, False), (True, None), (None, None)]


def test_the_page_is_kept_as_long_as_the_collection(container: Container, monkeypatch: pytest.MonkeyPatch) -> None:
    job = evaluate(container, None, monkeypatch)
    assert job.result is not None
    assert (job.result["model"], job.result["index_version"]) == (DEFAULT_MODEL, f"{DEFAULT_MODEL}.1")
    assert container.evaluation.report(job.id) == b"<h1>Fine</h1>"
    assert container.folders.ids() == []
    ingest = next(each for each in container.jobs.list() if each.kind == "ingest")
    with pytest.raises(NotFound, match="no report"):
        container.evaluation.report(ingest.id)
    container.collections.delete("shapes")
    assert list(container.blobs.keys(reports_prefix("shapes"))) == []
    with pytest.raises(NotFound, match="no job"):
        container.evaluation.report(job.id)


def test_a_collection_without_labels_is_refused(container: Container) -> None:
    for tile in tiles_of(container, "shapes"):
        container.items.patch("shapes", tile.id, labels=())
    with pytest.raises(InvalidInput, match="no tile has a label"):
        container.processes.execute("evaluate", {"collection": "shapes"})
