"""Trainings that a model cannot be the base of are refused before their job starts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.container import Container
from app.errors import InvalidInput
from tests.support.bundles import digests, tiny_graph, write_bundle
from tests.support.headed import random_head, write_headed_bundle
from tests.support.labelled import ended, tiles_of, write_pictures


def index_with(container: Container, bundle: Path, folder: Path) -> None:
    """A labelled collection `own` that uses a bundle."""
    card = container.models.install(bundle)
    container.collections.create("own", tile_size=64, model=card.id)
    pictures = write_pictures(folder, {"stripes": 12, "slopes": 12})
    ended(container, container.ingest.submit_paths("own", [pictures], labels_from_folders=True))
    assert len(tiles_of(container, "own")) == 24


def refusal(container: Container, **inputs: Any) -> str:
    with pytest.raises(InvalidInput) as error:
        container.processes.execute("train", {"collection": "own", **inputs})
    assert [job for job in container.jobs.list() if job.kind == "train"] == []
    return str(error.value)


def test_a_model_without_features_has_no_head_to_train(container: Container, tmp_path: Path) -> None:
    index_with(container, write_bundle(tmp_path / "plain", tiny_graph()), tmp_path / "pictures")
    assert "needs features, which model 'plain' does not have" in refusal(container)


def test_an_embedding_that_is_not_linear_has_no_head_to_train(container: Container, tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "curved", tiny_graph(feature_dimension=4), feature_dimension=4)
    index_with(container, bundle, tmp_path / "pictures")
    assert "not a linear projection of its feature; add its encoder with `dyad models add`" in refusal(container)


def test_weights_of_an_unknown_network_are_not_fine_tuned(container: Container, tmp_path: Path) -> None:
    bundle = write_headed_bundle(tmp_path / "foreign", random_head(0))
    (bundle / "weights.safetensors").write_bytes(b"of some other program")
    files = digests(bundle, ["encoder.onnx", "head.npz", "weights.safetensors"])
    card = (bundle / "card.json").read_text()
    (bundle / "card.json").write_text(json.dumps(json.loads(card) | {"files": files}))
    index_with(container, bundle, tmp_path / "pictures")
    reason = refusal(container, recipe="nsl")
    assert "model 'foreign' cannot be fine-tuned: its card does not describe the network of its weights" in reason
    assert "or set from_scratch" in reason
    job = ended(container, container.processes.execute("train", {"collection": "own", "reindex": False}))
    assert job.error is None, job.error
    assert job.result is not None
    taught = container.models.card(job.result["model"])
    assert set(taught.files) == {"encoder.onnx", "head.npz", "learned_tiles.npy"}  # the foreign weights do not contain the head
