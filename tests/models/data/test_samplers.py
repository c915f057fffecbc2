from __future__ import annotations

import numpy as np
import pytest

from models.data.errors import DataError
from models.data.samplers import BalancedSampler, Shard, ShuffledSampler

LABELS = np.repeat(np.arange(6), [50, 40, 30, 20, 10, 3]).astype(np.int64)


def test_shuffles_every_epoch_anew() -> None:
    sampler = ShuffledSampler(25, 4, seed=7)
    assert sampler.steps_per_epoch == 6
    epochs = [np.concatenate([sampler.indices(6 * epoch + step) for step in range(6)]) for epoch in range(3)]
    for order in epochs:
        assert len(set(order.tolist())) == 24
    assert epochs[0].tolist() != epochs[1].tolist()
    # a pure function of the step: a new sampler that jumps there gives the same
    np.testing.assert_array_equal(ShuffledSampler(25, 4, seed=7).indices(15), sampler.indices(15))
    assert ShuffledSampler(25, 4, seed=8).indices(15).tolist() != sampler.indices(15).tolist()


def test_a_batch_is_never_larger_than_the_data() -> None:
    sampler = ShuffledSampler(5, 256, seed=0)
    assert sampler.steps_per_epoch == 1
    assert sorted(sampler.indices(3).tolist()) == [0, 1, 2, 3, 4]


def test_balances_classes_of_any_size() -> None:
    sampler = BalancedSampler(LABELS, classes=4, per_class=5, seed=0)
    assert sampler.steps_per_epoch == 153 // 20
    used = np.zeros(6)
    for step in range(sampler.steps_per_epoch):
        batch = LABELS[sampler.indices(step)].reshape(4, 5)
        assert (batch == batch[:, :1]).all()
        assert len(set(batch[:, 0].tolist())) == 4
        used[batch[:, 0]] += 1
    assert used.max() - used.min() <= 1


def test_repeats_images_only_where_a_class_is_too_small() -> None:
    sampler = BalancedSampler(LABELS, classes=6, per_class=5, seed=1)
    for step in range(20):
        batch = sampler.indices(step)
        for name in range(6):
            own = batch[LABELS[batch] == name]
            assert len(own) == 5
            assert len(set(own.tolist())) == (5 if name < 5 else 3)
    np.testing.assert_array_equal(BalancedSampler(LABELS, 6, 5, seed=1).indices(19), sampler.indices(19))


def test_every_image_gets_its_turn() -> None:
    sampler = BalancedSampler(np.zeros(20, np.int64), classes=1, per_class=4, seed=2)
    epoch = np.concatenate([sampler.indices(step) for step in range(5)])
    assert sorted(epoch.tolist()) == list(range(20))


def test_shards_are_the_whole() -> None:
    indices = np.arange(12)
    parts = [Shard(rank, 3).of(indices) for rank in range(3)]
    assert [part.tolist() for part in parts] == [[0, 3, 6, 9], [1, 4, 7, 10], [2, 5, 8, 11]]
    assert Shard().of(indices) is not None
    with pytest.raises(DataError, match="not divisible by 5 processes"):
        Shard(0, 5).of(indices)


def test_refuses_nothing_and_too_few_classes() -> None:
    with pytest.raises(DataError, match="no images"):
        ShuffledSampler(0, 4, 0)
    with pytest.raises(DataError, match="at least one image"):
        ShuffledSampler(4, 0, 0)
    with pytest.raises(DataError, match="a batch needs 7 classes"):
        BalancedSampler(LABELS, 7, 2, 0)
