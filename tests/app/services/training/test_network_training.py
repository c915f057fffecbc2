"""Whole networks, trained on a collection's images by the real program."""

from __future__ import annotations

import importlib.util
import json
import time
from typing import Any

import pytest

from app.container import Container
from app.domain.jobs import Job, JobStatus
from app.errors import InvalidInput
from app.services.training import network_training
from tests.support.labelled import ended

needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="the extra `train` is not installed: nothing trains here"
)
pytestmark = pytest.mark.usefixtures("tiles")
SMALL = {"width": 8, "batch_size": 8, "image_size": 32}


def begin(container: Container, recipe: str, **settings: Any) -> Job:
    fields = {**SMALL, **settings}
    inputs = {"collection": "shapes", "recipe": recipe, "from_scratch": True, "settings": fields, "reindex": False}
    return container.processes.execute("train", inputs)


@needs_torch
def test_a_network_is_trained_on_the_images_and_goes_on_after_a_restart(container: Container) -> None:
    job = begin(container, "nsl", epochs=15)
    while container.jobs.get(job.id).counts.get("updates", 0) < 4:
        assert not container.jobs.get(job.id).status.ended, container.jobs.get(job.id).error
        time.sleep(0.02)
    settings = container.settings
    container.close()
    folder = settings.home / "staging" / job.id
    assert list((folder / "run" / "checkpoints").glob("step-*"))
    again = Container(settings)
    try:
        before = again.jobs.get(job.id)
        assert before.status is JobStatus.ACCEPTED
        again.start()
        done = ended(again, job)
        assert done.status is JobStatus.SUCCESSFUL, done.error
        assert done.result is not None
        card = again.models.card(done.result["model"])
        assert (card.input_size, card.dimension) == (32, 128)
        assert done.result["metrics"] == json.loads(json.dumps(card.metrics))
        assert not folder.exists()
    finally:
        again.close()


@needs_torch
def test_a_recipe_that_sees_unlabelled_tiles_gets_them(container: Container) -> None:
    job = ended(container, begin(container, "hr-s2dml", epochs=1, unlabelled_batch_size=8))
    assert job.status is JobStatus.SUCCESSFUL, job.error
    assert job.result is not None
    assert job.result["tiles"] > job.result["labelled"] > 0


@needs_torch
def test_what_the_program_refuses_is_the_jobs_error(container: Container) -> None:
    job = ended(container, begin(container, "nsl", image_size=16, width=8, backbone="vgg16"))
    assert job.status is JobStatus.FAILED
    assert "vgg16" in str(job.error)


def test_without_torch_a_network_is_refused_at_once(container: Container, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network_training, "NEEDED", ("torch_that_nobody_has",))
    with pytest.raises(InvalidInput, match=r"pip install \"dyad\[train\]\".*or use the recipe 'head'"):
        begin(container, "nsl")


def test_a_matcher_needs_a_network_to_begin_with(container: Container) -> None:
    with pytest.raises(InvalidInput, match="from_scratch is set"):
        begin(container, "default-matcher")
