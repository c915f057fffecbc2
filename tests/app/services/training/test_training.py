"""The process `train`: what it refuses, what becomes of its jobs. The program that learns is a small one of the tests."""

from __future__ import annotations

import shutil
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from app.container import Container
from app.domain.jobs import Job, JobStatus
from app.domain.models import DEFAULT_MODEL
from app.errors import Conflict, DyadError, InvalidInput, NotFound, Unprocessable
from app.services.training import head_training
from tests.support.labelled import ended, tiles_of

TINY = "tests.support.tiny_trainer"
pytestmark = pytest.mark.usefixtures("tiles")


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(head_training, "PROGRAM", TINY)


@pytest.fixture
def staging(container: Container) -> Path:
    return container.home.staging


def begin(container: Container, **inputs: Any) -> Job:
    return container.processes.execute("train", {"collection": "shapes", **inputs})


def wait_until_it_runs(container: Container, job: Job) -> None:
    deadline = time.monotonic() + 60
    while container.jobs.get(job.id).message != "looking":
        assert not container.jobs.get(job.id).status.ended
        assert time.monotonic() < deadline, container.jobs.get(job.id).message
        time.sleep(0.02)


def test_a_model_is_made_installed_and_re_indexed_with(container: Container, staging: Path) -> None:
    job = ended(container, begin(container, title="Shapes", settings={"steps": 3}, seed=7))
    assert job.status is JobStatus.SUCCESSFUL, job.error
    result = job.result
    assert result is not None
    assert (result["model"], result["classes"], result["left_out"]) == ("shapes-head-1", ["slopes", "stripes"], ["rare"])
    assert (result["tiles"], result["labelled"], result["seed"], result["recipe"]) == (31, 24, 7, {"steps": 3})
    assert result["shapes"]["features"][0] == 31
    assert result["shapes"]["pixels"][0] == 24
    assert container.models.card("shapes-head-1").title == "Shapes"
    assert list(staging.iterdir()) == []
    reindex = ended(container, container.jobs.get(result["reindex_job"]))
    assert (reindex.kind, reindex.collection, reindex.status) == ("reindex", "shapes", JobStatus.SUCCESSFUL)


def test_a_second_training_gets_another_name(container: Container) -> None:
    first = ended(container, begin(container, reindex=False))
    assert first.result is not None
    assert first.result["reindex_job"] is None
    second = ended(container, begin(container, reindex=False))
    assert second.result is not None
    assert second.result["model"] == "shapes-head-2"
    with pytest.raises(Conflict, match="'shapes-head-1' exists already"):
        begin(container, model_id="shapes-head-1")


def test_one_training_a_collection_at_a_time(container: Container, staging: Path) -> None:
    (staging / "wait").touch()
    job = begin(container)
    with pytest.raises(Conflict, match=job.id):
        begin(container)
    (staging / "wait").unlink()
    assert ended(container, job).status is JobStatus.SUCCESSFUL


def test_why_nothing_was_learned_is_the_jobs_error(container: Container, staging: Path) -> None:
    (staging / "fail").touch()
    job = ended(container, begin(container))
    assert (job.status, job.error) == (JobStatus.FAILED, "nothing was learned")
    assert [path.name for path in staging.iterdir()] == ["fail"]


def test_a_dismissed_training_leaves_nothing(container: Container, staging: Path) -> None:
    (staging / "wait").touch()
    job = begin(container)
    wait_until_it_runs(container, job)
    container.jobs.dismiss(job.id)
    assert container.queue.wait(job.id, 10)
    assert [path.name for path in staging.iterdir()] == ["wait"]
    assert container.jobs.get(job.id).status is JobStatus.DISMISSED


def test_a_training_goes_on_after_a_restart(container: Container, staging: Path) -> None:
    (staging / "wait").touch()
    job = begin(container)
    wait_until_it_runs(container, job)
    settings = container.settings
    container.close()
    again = Container(settings)
    try:
        assert again.jobs.get(job.id).status is JobStatus.ACCEPTED
        assert (staging / job.id).is_dir()
        (staging / "wait").unlink()
        again.start()
        assert ended(again, job).status is JobStatus.SUCCESSFUL
    finally:
        again.close()


def test_what_was_learned_is_not_learned_again_after_a_kill(container: Container, staging: Path) -> None:
    """As after a kill between the installation and the end of the job."""
    job = ended(container, begin(container, reindex=False))
    assert job.result is not None
    folder = staging / "killed"
    folder.mkdir()
    (folder / "trained.json").write_text('{"metrics": {"before": 1}}')
    now = datetime.now(UTC)
    inputs = {**job.inputs, "model_id": job.result["model"]}
    container.queue.submit(Job(id="killed", kind="train", collection="shapes", inputs=inputs, created=now, updated=now))
    again = ended(container, container.jobs.get("killed"))
    assert again.result == {"metrics": {"before": 1}, "model": job.result["model"], "reindex_job": None}


@pytest.mark.parametrize(
    ("inputs", "error", "reason"),
    [
        ({"collection": "nowhere"}, NotFound, "nowhere"),
        ({"model_id": DEFAULT_MODEL}, Conflict, DEFAULT_MODEL),
        ({"model_id": "../evil"}, Unprocessable, "inputs.model_id"),
        ({"model_id": ".hidden"}, Unprocessable, "inputs.model_id"),
        ({"recipe": "../evil.toml"}, Unprocessable, "inputs.recipe"),
        ({"seed": -1}, Unprocessable, "inputs.seed"),
        ({"settings": {"--out": "/"}}, Unprocessable, "inputs.settings"),
        ({"settings": {"tau": [1]}}, Unprocessable, "inputs.settings"),
        ({"colour": "red"}, Unprocessable, "inputs.colour"),
        ({"from_scratch": True}, InvalidInput, "from_scratch"),
        ({"settings": {"margins": 0.5}}, InvalidInput, "margins.*the fields of the recipe 'head' are tau, margin"),
        ({"settings": {"margin": 9}}, InvalidInput, "margin: .*less than 1.57"),
        ({"recipe": "dance"}, InvalidInput, "no recipe is called 'dance'; there are .*hr-s2dml.*'head'"),
        ({"recipe": "nsl", "settings": {"steps": 3}}, InvalidInput, "steps"),
    ],
)
def test_inputs_that_do_not_do_are_refused(
    container: Container, inputs: dict[str, Any], error: type[DyadError], reason: str
) -> None:
    with pytest.raises(error, match=reason):
        begin(container, **inputs)
    assert [job for job in container.jobs.list() if job.kind == "train"] == []


def test_an_empty_collection_is_refused(container: Container) -> None:
    container.collections.create("empty")
    with pytest.raises(InvalidInput, match="has no tiles"):
        begin(container, collection="empty")


def test_too_few_labels_are_refused(container: Container) -> None:
    for tile in tiles_of(container, "shapes", "slopes"):
        container.items.patch("shapes", tile.id, labels=())
    with pytest.raises(InvalidInput, match="only 'stripes' has enough labelled tiles; too few have rare"):
        begin(container)


def test_a_collection_without_features_is_refused(container: Container, tmp_path: Path) -> None:
    container.collections.create("bare", tile_size=64, model="hog")
    pictures = tmp_path / "pictures"
    shutil.rmtree(pictures / "rare")
    ended(container, container.ingest.submit_paths("bare", [pictures], labels_from_folders=True))
    with pytest.raises(InvalidInput, match="'hog' does not have; re-index"):
        begin(container, collection="bare")


def test_a_model_that_is_in_training_is_not_trained_twice(container: Container, staging: Path, tmp_path: Path) -> None:
    (staging / "wait").touch()
    job = begin(container, model_id="mine")
    container.collections.create("more", tile_size=64)
    ended(container, container.ingest.submit_paths("more", [tmp_path / "pictures"], labels_from_folders=True))
    with pytest.raises(Conflict, match="'mine'"):
        begin(container, collection="more", model_id="mine")
    (staging / "wait").unlink()
    ended(container, job)
