from __future__ import annotations

import numpy as np
import pytest
import torch

from models.data.batches import ImageBatches, JointBatches
from models.data.errors import DataError
from models.data.prefetch import Prefetcher
from models.data.samplers import Shard, ShuffledSampler

PIXELS = np.random.default_rng(0).integers(0, 256, (30, 8, 8, 4), dtype=np.uint8)
ROWS = np.arange(5, 25)
LABELS = np.arange(20) % 3


def test_a_batch_is_rows_of_the_array() -> None:
    batches = ImageBatches(PIXELS, ROWS, LABELS, ShuffledSampler(20, 6, seed=0))
    assert batches.steps_per_epoch == 3
    batch = batches.batch(4)
    assert batch.images.shape == (6, 4, 8, 8)
    assert batch.images.is_contiguous(memory_format=torch.channels_last)
    for image, label, index in zip(batch.images, batch.labels, batch.indices, strict=True):
        np.testing.assert_array_equal(image.permute(1, 2, 0).numpy(), PIXELS[ROWS[index]])
        assert label == LABELS[index]


def test_processes_share_a_batch() -> None:
    sampler = ShuffledSampler(20, 6, seed=0)
    whole = ImageBatches(PIXELS, ROWS, LABELS, sampler).batch(2).indices
    parts = [ImageBatches(PIXELS, ROWS, LABELS, sampler, Shard(rank, 2)).batch(2).indices for rank in range(2)]
    assert torch.equal(torch.stack(parts, 1).flatten(), whole)


def test_joint_batches_go_round_at_their_own_pace() -> None:
    labelled = ImageBatches(PIXELS, ROWS[:4], LABELS[:4], ShuffledSampler(4, 2, seed=0))
    unlabelled = ImageBatches(PIXELS, ROWS, np.full(20, -1), ShuffledSampler(20, 4, seed=1))
    joint = JointBatches(labelled, unlabelled)
    assert (joint.steps_per_epoch, JointBatches(labelled, unlabelled, "unlabelled").steps_per_epoch) == (2, 5)
    batch = joint.batch(7)
    assert len(batch) == 6
    assert torch.equal(batch.labelled.indices, labelled.batch(7).indices)
    assert torch.equal(batch.unlabelled.indices, unlabelled.batch(7).indices)
    moved = batch.to(torch.device("cpu"))
    assert torch.equal(moved.unlabelled.images, batch.unlabelled.images)


@pytest.mark.parametrize("steps", [range(8), [0, 5, 1, 1, 9, 8]])
def test_prefetching_changes_nothing(steps: list[int]) -> None:
    batches = ImageBatches(PIXELS, ROWS, LABELS, ShuffledSampler(20, 6, seed=0))
    expected = [batches.batch(step).indices for step in steps]
    with Prefetcher(ImageBatches(PIXELS, ROWS, LABELS, ShuffledSampler(20, 6, seed=0))) as ahead:
        assert ahead.steps_per_epoch == 3
        for step, indices in zip(steps, expected, strict=True):
            assert torch.equal(ahead.batch(step).indices, indices)


def test_prefetching_passes_errors_on() -> None:
    sampler = ShuffledSampler(20, 6, seed=0)
    batches = ImageBatches(PIXELS, ROWS, LABELS, sampler, Shard(0, 4))
    with Prefetcher(batches) as ahead, pytest.raises(DataError, match="not divisible"):
        ahead.batch(0)


def test_rows_and_labels_fit() -> None:
    with pytest.raises(DataError, match="20 images have 19 labels"):
        ImageBatches(PIXELS, ROWS, LABELS[1:], ShuffledSampler(20, 6, seed=0))
