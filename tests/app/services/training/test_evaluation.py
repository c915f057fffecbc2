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


def test_an_evaluation_proposes_a_setting_and_changes_none(container: Container, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for rerank, setting in (
        ({"helps": False, "queries": MANY}, None),
        ({"helps": False, "queries": MANY}, False),
        ({"helps": True, "queries": FEW}, False),
        (None, False),
        ({"helps": True, "queries": MANY}, False),
        ({"helps": True, "queries": MANY}, True),
        ({"helps": False, "queries": MANY}, True),
        ({"helps": False, "queries": FEW}, None),
    ):
        container.collections.patch("shapes", rerank=setting)
        job = evaluate(container, rerank, monkeypatch)
        assert container.collections.get("shapes").rerank is setting
        assert job.result is not None
        proposal = job.result["proposal"]
        found.append((job.result["rerank"] and job.result["rerank"]["default"], proposal and proposal["settings"]["rerank"]))
        if proposal:
            assert "re-ranking" in proposal["reason"]
            container.collections.patch("shapes", **proposal["settings"])
            again = evaluate(container, rerank, monkeypatch)
            assert again.result is not None
            assert again.result["proposal"] is None
    none = (None, None)
    # None in the second place stands for the default of the model's card, or for no proposal
    assert found == [(False, False), (False, None), none, none, (True, None), (True, None), (False, False), none]


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
