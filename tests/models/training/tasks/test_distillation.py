"""Training of an encoder's upper part on cached maps, with distillation to its start."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.backbones.registry import build_encoder
from models.backbones.two_layer_encoder import TwoLayerEncoder
from models.losses.configs import NslMarginConfig
from models.training.recipes.recipe import Recipe
from models.training.tasks.distillation import DistillationTask, MapBatch, MapBatches, UnlabelledBatches

RECIPE = Recipe(name="short", loss=NslMarginConfig(), batch_size=4)


def test_batches_are_a_pure_function_of_the_step_and_mix_views() -> None:
    views = [(np.full((6, 1, 2, 2), view) + np.arange(6)[:, None, None, None] / 8).astype(np.float16) for view in (0, 1)]
    targets = [np.repeat(view[:, :, 0, 0], 3, axis=1).astype(np.float32) for view in views]
    rows = np.array([5, 1, 3, 2], np.int64)
    batches = MapBatches(RECIPE, views, targets, rows, np.array([0, 1, 0, 1], np.int64))
    seen = set()
    for step in range(20):
        batch, again = batches.batch(step), batches.batch(step)
        assert torch.equal(batch.maps, again.maps)
        assert torch.equal(batch.targets[:, 0], batch.maps[:, 0, 0, 0].float())
        seen.update(batch.maps[:, 0, 0, 0].float().mul(8).int().tolist())
    assert seen == {5, 1, 3, 2, 13, 9, 11, 10}


def test_views_and_targets_must_fit() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        MapBatches(RECIPE, [np.zeros((2, 1, 2, 2), np.float16)], [], np.arange(2), np.arange(2))


def test_unlabelled_images_join_each_batch_with_their_own_targets() -> None:
    views = [np.full((4, 1, 2, 2), 1, np.float16)]
    labelled = MapBatches(RECIPE, views, [np.ones((4, 3), np.float32)], np.arange(4), np.arange(4))
    others = [
        np.arange(10, 40).reshape(30, 1, 1, 1).repeat(4).reshape(30, 1, 2, 2).astype(np.float16) + view for view in (0, 50)
    ]
    batches = UnlabelledBatches(
        labelled, others, [each[:, 0, :1, 0].astype(np.float32).repeat(3, axis=1) for each in others], 3
    )
    assert batches.steps_per_epoch == labelled.steps_per_epoch == 1
    seen = set()
    for step in range(20):
        batch = batches.batch(step)
        assert torch.equal(batch.maps, batches.batch(step).maps)
        assert (len(batch), len(batch.labels)) == (7, 4)
        assert torch.equal(batch.targets[:, 0], batch.maps[:, 0, 0, 0].float())
        seen.update(batch.maps[4:, 0, 0, 0].int().tolist())
    assert len(seen) > 30
    assert min(seen) < 40
    assert max(seen) >= 60


def test_only_the_upper_part_learns_and_the_distance_to_the_start_is_measured() -> None:
    torch.manual_seed(0)
    encoder = build_encoder("efficientnet-lite0", dimension=8, pooling="two-layer")
    assert isinstance(encoder, TwoLayerEncoder)
    encoder.eval()
    maps = torch.randn(6, 112, 4, 4).half()
    with torch.no_grad():
        targets = encoder.trunk.upper(maps.float()).mean((2, 3))
    loss = torch.nn.Module()
    loss.forward = lambda embeddings, labels: embeddings[:, 0].sum()
    task = DistillationTask(encoder, loss, 2.0, targets.mean(0)).train()
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    batch = MapBatch(maps, torch.zeros(6, dtype=torch.int64), targets)
    found = task.step(batch)
    assert found["distance"].item() == pytest.approx(0, abs=1e-5)
    optimiser = torch.optim.SGD([each for each in task.parameters() if each.requires_grad], lr=0.1)
    torch.autograd.backward(found["loss"])
    optimiser.step()
    changed = {name for name, value in encoder.state_dict().items() if not torch.equal(value, before[name])}
    assert changed
    assert all(
        name.startswith(
            ("trunk.network.blocks.5", "trunk.network.blocks.6", "trunk.network.conv_head", "trunk.network.bn2", "taught")
        )
        for name in changed
    )
    assert not any("running" in name for name in changed)
    assert task.step(batch)["distance"].item() > 0


def test_images_without_labels_have_a_distance_but_no_class() -> None:
    torch.manual_seed(0)
    encoder = build_encoder("efficientnet-lite0", dimension=8, pooling="two-layer")
    assert isinstance(encoder, TwoLayerEncoder)
    maps = torch.randn(5, 112, 4, 4).half()
    with torch.no_grad():
        targets = encoder.eval().trunk.upper(maps.float()).mean((2, 3))
    targets[4] = -targets[4]
    taught: list[int] = []

    def classes(embeddings: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        assert len(embeddings) == len(labels)
        taught.append(len(embeddings))
        return embeddings.sum()

    loss = torch.nn.Module()
    loss.forward = classes
    task = DistillationTask(encoder, loss, 1.0, torch.zeros(targets.shape[1])).train()
    found = task.step(MapBatch(maps, torch.zeros(3, dtype=torch.int64), targets))
    assert taught == [3]
    assert found["distance"].item() == pytest.approx(2 / 5, abs=1e-5)
