"""Pairs of two views of one image, and classes that are hidden from a batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models.training.recipes.load import named_recipe
from models.training.recipes.recipe import PairSampling
from models.training.tasks.matching import PairBatches

IMAGES, CLASSES = 60, 6
LABELS = np.arange(IMAGES, dtype=np.int64) % CLASSES


def batches(views: int = 3, **pairs: Any) -> PairBatches:
    """Each map holds the number of its image, and that of its view."""
    recipe = named_recipe("correlation-matcher").model_copy(update={"batch_size": 400, "pairs": PairSampling(**pairs)})
    maps: list[NDArray[np.float16]] = [
        np.stack([np.full((2, 1, 1), 0, np.float16) + np.array([[[n]], [[view]]], np.float16) for n in range(IMAGES)])
        for view in range(views)
    ]
    rows = np.random.default_rng(0).normal(size=(IMAGES, 8)).astype(np.float32)
    return PairBatches(recipe, maps, LABELS, rows / np.linalg.norm(rows, axis=1, keepdims=True))


def drawn(source: PairBatches, step: int = 0) -> dict[str, NDArray[Any]]:
    batch = source.batch(step)
    left, right = (side[:, :, 0, 0].numpy().astype(int) for side in (batch.left, batch.right))
    return {
        "left": left[:, 0],
        "right": right[:, 0],
        "views": np.stack((left[:, 1], right[:, 1])),
        "match": batch.matches.numpy(),
    }


def test_without_the_options_no_pair_is_of_one_image() -> None:
    found = drawn(batches(hard=0.5, pool=5))
    assert (found["left"] != found["right"]).all()
    assert (found["match"] == (LABELS[found["left"]] == LABELS[found["right"]])).all()


def test_a_share_of_the_matching_pairs_is_of_one_image_in_two_views() -> None:
    found = drawn(batches(instances=0.5, pool=5))
    same = found["left"] == found["right"]
    assert 0.4 < same[found["match"] == 1].mean() < 0.6
    assert not same[found["match"] == 0].any()
    assert (found["views"][0] != found["views"][1])[same].all()
    assert (found["match"] == (LABELS[found["left"]] == LABELS[found["right"]])).all()


def test_images_of_hidden_classes_match_only_themselves_and_each_batch_hides_others() -> None:
    source = batches(hidden=0.5, pool=5)
    hidden = []
    for step in range(4):
        found = drawn(source, step)
        positive = found["match"] == 1
        same = found["left"] == found["right"]
        classes = set(np.unique(LABELS[found["left"][positive & same]]).tolist())
        assert len(classes) == CLASSES // 2
        assert not np.isin(LABELS[found["left"][positive & ~same]], list(classes)).any()
        hidden.append(classes)
    assert len({tuple(sorted(each)) for each in hidden}) > 1
    again = drawn(batches(hidden=0.5, pool=5), 3)
    assert all((again[name] == found[name]).all() for name in found)


def test_hard_matching_pairs_are_near_if_wanted() -> None:
    rows = torch.nn.functional.normalize(torch.randn(IMAGES, 8, generator=torch.Generator().manual_seed(0)), dim=1)
    similarity = {}
    for near in (False, True):
        source = batches(near=near, hard=1.0, pool=2)
        source._sampler.mine(rows)
        found = drawn(source)
        positive = found["match"] == 1
        similarity[near] = float((rows[found["left"][positive]] * rows[found["right"][positive]]).sum(1).mean())
    assert similarity[True] > similarity[False] + 0.5


def test_one_view_has_no_pairs_of_one_image() -> None:
    with pytest.raises(ValueError, match="at least two views"):
        batches(views=1, instances=0.1)
