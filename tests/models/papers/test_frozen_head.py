"""Heads of frozen features by every loss, the features of a few images, and a cell from maps to figures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.evaluation.metrics.retrieval import retrieval_metrics
from models.evaluation.protocols import residual_dyad
from models.papers import frozen_head
from models.papers.frozen_features import LAST, FrozenFeatures, read_features
from models.papers.frozen_head import head_cell, head_recipe, train_head
from models.papers.frozen_trunk import LOSSES, recipe_of
from models.papers.results import Context
from models.runs.inputs.material import load_material


@pytest.fixture(scope="module")
def features(context: Context) -> FrozenFeatures:
    """Three classes whose features differ in three of twelve dimensions; the others vary more."""
    material = load_material({"ucmerced": context.data / "ucmerced"}, 32, context.cache, train_fraction=0.5)
    random = np.random.default_rng(0)
    rows = random.normal(0, 1, (3, len(material.labels), 12)).astype(np.float32)
    rows[:, :, 3:] *= 2
    rows[:, :, :3] += 3 * np.eye(3, dtype=np.float32)[material.labels]
    return FrozenFeatures(material, rows[:2], rows[2])


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_trains_a_head(name: str, features: FrozenFeatures, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frozen_head, "UPDATES", 60)
    monkeypatch.setattr(frozen_head, "RATE", 0.02)
    recipe = recipe_of(name, 0)
    assert recipe is not None
    recipe = recipe.model_copy(update={"batch_size": 12, "unlabelled_batch_size": 0, "dim": 8})
    head = train_head(features, recipe)
    weight, bias = head.weight.detach().numpy(), head.bias.detach().numpy()
    rows = features.material.train
    labels, seen = features.material.labels[rows], features.views[0, rows]

    def quality(rows: np.ndarray) -> float:
        unit = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
        return float(retrieval_metrics(unit, labels, unit, labels, exclude_self=True).mean_average_precision)

    assert quality(seen @ weight.T + bias) > quality(seen) + 0.03


def _write_maps(context: Context) -> None:
    """Random maps as the training of bundles keeps them."""
    random = np.random.default_rng(0)
    (context.work / "maps").mkdir(exist_ok=True)
    for name, side in [("plain-192", 12), *((f"view{number}-160", 10) for number in range(1, 5))]:
        np.save(
            context.work / "maps" / f"ucmerced-{name}.npy", random.random((30, 112, side, side), np.float32).astype(np.float16)
        )


def test_features_are_computed_once_from_the_maps_of_a_bundles_training(context: Context) -> None:
    _write_maps(context)
    said: list[str] = []
    asked = replace(context, say=said.append)
    found = read_features(asked, "ucmerced", 0.5, 0)
    assert found.views.shape == (4, 30, LAST + 224)
    assert found.plain.shape == (30, LAST + 224)
    np.testing.assert_allclose(np.linalg.norm(found.plain[:, :LAST], axis=1), 1, atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(found.plain[:, LAST:], axis=1), 1, atol=1e-3)
    assert len(said) == 5
    again = read_features(asked, "ucmerced", 0.5, 1)
    assert len(said) == 5
    assert set(again.material.train) != set(found.material.train)


def test_a_cell_measures_a_head_and_the_features_alone(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frozen_head, "UPDATES", 3)
    _write_maps(context)
    protocol = residual_dyad(0.6)
    untrained, trained = (
        head_cell("ratio-60-seed0", "ucmerced", protocol, 0, recipe) for recipe in (None, head_recipe("nsl", 0))
    )
    assert trained.settings["loss"]["name"] == "nsl"
    assert "loss" not in untrained.settings
    plain, taught = (dict(cell.measure(context))["retrieval"] for cell in (untrained, trained))
    assert plain["queries"] == taught["queries"] == 12
    assert plain["database"] == 29
    assert plain["mean_average_precision"] != taught["mean_average_precision"]
