"""The table of all losses on frozen features: heads of synthetic features, and the features of a few images."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from models.evaluation.metrics.retrieval import retrieval_metrics
from models.papers import frozen_trunk, protocol_b
from models.papers.frozen_features import LAST, FrozenFeatures, read_features
from models.papers.frozen_trunk import FRACTIONS, LOSSES, SEEDS, cells, prefix, recipe_of, render, train_head
from models.papers.results import Cell, Context, Results
from models.papers.seed_cells import seeded
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
    monkeypatch.setattr(frozen_trunk, "UPDATES", 60)
    monkeypatch.setattr(frozen_trunk, "RATE", 0.02)
    recipe = recipe_of(name, 0).model_copy(update={"batch_size": 12, "unlabelled_batch_size": 0, "dim": 8})
    head = train_head(features, recipe)
    weight, bias = head.weight.detach().numpy(), head.bias.detach().numpy()
    rows = features.material.train
    labels, seen = features.material.labels[rows], features.views[0, rows]

    def quality(rows: np.ndarray) -> float:
        unit = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
        return float(retrieval_metrics(unit, labels, unit, labels, exclude_self=True).mean_average_precision)

    assert quality(seen @ weight.T + bias) > quality(seen) + 0.03


def test_features_are_computed_once_from_the_maps_of_a_bundles_training(context: Context) -> None:
    random = np.random.default_rng(0)
    (context.work / "maps").mkdir()
    for name, side in [("plain-192", 12), *((f"view{number}-160", 10) for number in range(1, 5))]:
        np.save(
            context.work / "maps" / f"ucmerced-{name}.npy", random.random((30, 112, side, side), np.float32).astype(np.float16)
        )
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


def _values(values: dict[str, Any], _: Context) -> dict[str, Any]:
    return values


def test_the_table_has_the_papers_values_beside_ours(tmp_path_factory: pytest.TempPathFactory, context: Context) -> None:
    results = Results(tmp_path_factory.mktemp("results"), "small")
    for place, name in enumerate(protocol_b.METHODS):
        for seed in range(SEEDS):
            retrieval = {"knn_accuracy": 0.9 - place / 10 + seed / 100, "map_at_20": 0.5}
            values = {"retrieval": retrieval, "clustering": {"nmi": 0.4, "acc": 0.3}}
            results.measure(Cell(seeded(prefix(0.05, name), seed), {}, functools.partial(_values, values)), context)
    text = render(results)
    assert "| HR-S2DML | 91.00 ± 1.00 | 83.19 |" in text
    assert "by kNN at 5 %: HR-S2DML > D-CNN > Triplet > NSL" in text
    assert "at 20 %:" not in text
    assert len(cells("small")) == len(FRACTIONS) * SEEDS * (len(LOSSES) + 1)
