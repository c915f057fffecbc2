"""Recipes become tasks and batches, and tiny networks learn by them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models.data.batches import ImageBatches, JointBatch
from models.data.samplers import Shard, ShuffledSampler
from models.losses.build import build_loss
from models.matcher.networks import match_probability
from models.matcher.siamese import Siamese
from models.training.encoding import encode_images
from models.training.loop.loop import Loop
from models.training.loop.optimisers import build_optimiser, loop_config
from models.training.loop.seeds import seed_everything
from models.training.recipes.load import named_recipe
from models.training.tasks.autoencoding import autoencoding_task
from models.training.tasks.matching import PairBatches, SiameseTask, matching_task
from models.training.tasks.metric_learning import (
    EmbeddingTask,
    JointTask,
    embedding_task,
    joint_batches,
    joint_task,
    labelled_batches,
)
from models.training.transforms import Preparation

CLASSES, EACH, SIDE = 4, 16, 32
LABELS = np.repeat(np.arange(CLASSES), EACH)
TINY = ("width=8", "image_size=32", "batch_size=16", "lr=0.02", "epochs=6", "augment={}", "dim=16", "seed=1")
MEAN, STD = (0.5,) * 3, (0.25,) * 3


def textures() -> NDArray[np.uint8]:
    """(64, 32, 32, 3) uint8: stripes of four directions and colours, noisy."""
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[0:SIDE, 0:SIDE]
    waves = [rows, columns, rows + columns, rows - columns]
    colours = np.array([[60, 20, 0], [0, 60, 20], [20, 0, 60], [40, 40, 40]])
    result = np.empty((len(LABELS), SIDE, SIDE, 3))
    for place, label in enumerate(LABELS):
        wave = np.sin(waves[label] * 0.8 + random.uniform(0, 6))[:, :, None]
        result[place] = 120 + colours[label] * wave + random.normal(0, 20, (SIDE, SIDE, 3))
    return np.clip(result, 0, 255).astype(np.uint8)


PIXELS = textures()
TRAIN = np.flatnonzero(np.arange(len(LABELS)) % 2 == 0)
TEST = np.flatnonzero(np.arange(len(LABELS)) % 2 == 1)


def accuracy(task: EmbeddingTask | JointTask) -> float:
    train = encode_images(task.encoder, task.preparation, PIXELS, TRAIN).embeddings
    test = encode_images(task.encoder, task.preparation, PIXELS, TEST).embeddings
    nearest = (test @ train.T).argmax(1)
    return float((LABELS[TRAIN][nearest] == LABELS[TEST]).mean())


@pytest.mark.parametrize("name", ["nsl-margin", "triplet", "snca"])
def test_embeddings_are_learned(name: str) -> None:
    overrides = [*TINY, "epochs=8"] if name != "triplet" else [*TINY, "epochs=40", "samples_per_class=4"]
    before: list[float] = []
    after: list[float] = []
    for seed in range(1, 5):  # one alone may end anywhere from 0.65 to 1, by how a processor rounds
        recipe = named_recipe(name, [*overrides, f"seed={seed}"])
        seed_everything(recipe.seed)
        task = embedding_task(recipe, classes=CLASSES, images=len(TRAIN), mean=MEAN, std=STD)
        batches = labelled_batches(recipe, PIXELS, TRAIN, LABELS[TRAIN])
        before.append(accuracy(task))
        Loop(task, batches, build_optimiser(recipe, task.parameters()), loop_config(recipe)).run()
        after.append(accuracy(task))
    assert np.mean(after) > max(0.75, float(np.mean(before)) + 0.1)


def test_hr_s2dml_learns_from_both() -> None:
    recipe = named_recipe("hr-s2dml", [*TINY, "epochs=15", "batch_size=8", "unlabelled_batch_size=16"])
    seed_everything(recipe.seed)
    few = TRAIN[::4]
    task = joint_task(recipe, classes=CLASSES, mean=MEAN, std=STD)
    batches = joint_batches(recipe, PIXELS, few, LABELS[few], np.concatenate([TRAIN, TEST]))
    assert batches.steps_per_epoch == len(LABELS) // 16
    batch = batches.batch(0)
    assert (len(batch.labelled), len(batch.unlabelled), set(batch.unlabelled.labels.tolist())) == (8, 16, {-1})
    outcome = Loop(task, batches, build_optimiser(recipe, task.parameters()), loop_config(recipe)).run()
    assert outcome.reason == "finished"
    assert accuracy(task) > 0.8


def test_the_joint_loss_is_that_of_its_parts() -> None:
    recipe = named_recipe("hr-s2dml", [*TINY, "batch_size=8", "unlabelled_batch_size=8"])
    task = joint_task(recipe, classes=CLASSES, mean=MEAN, std=STD).eval()
    labelled = ImageBatches(PIXELS, TRAIN, LABELS[TRAIN], ShuffledSampler(len(TRAIN), 8, 0)).batch(1)
    unlabelled = ImageBatches(PIXELS, TEST, LABELS[TEST], ShuffledSampler(len(TEST), 8, 0)).batch(2)
    loss = task.step(JointBatch(labelled, unlabelled))["loss"]
    known, unknown = (task.encoder(task.preparation(part.images)) for part in (labelled, unlabelled))
    before = task.encoder.head(unknown.feature)  # equation 6 takes F(X), not its direction
    expected = task.loss(known.embedding, labelled.labels, before)
    torch.testing.assert_close(loss, expected)
    assert not torch.allclose(expected, task.loss(known.embedding, labelled.labels, unknown.embedding))


def test_frozen_and_foreign_recipes() -> None:
    frozen = embedding_task(named_recipe("nsl", [*TINY, "freeze=true"]), classes=CLASSES, images=8, mean=MEAN, std=STD)
    assert not any(parameter.requires_grad for parameter in frozen.encoder.trunk.parameters())
    assert frozen.encoder.head.weight.requires_grad
    kept = embedding_task(named_recipe("nsl", TINY), classes=2, images=8, encoder=frozen.encoder, mean=MEAN, std=STD)
    assert kept.encoder is frozen.encoder
    with pytest.raises(ValueError, match="does not take embeddings and labels"):
        embedding_task(named_recipe("resdyad-ae"), classes=2, images=2, mean=MEAN, std=STD)
    with pytest.raises(ValueError, match="does not take unlabelled images"):
        joint_task(named_recipe("nsl"), classes=2, mean=MEAN, std=STD)
    with pytest.raises(ValueError, match="not for an autoencoder"):
        autoencoding_task(named_recipe("nsl"), mean=MEAN, std=STD)
    with pytest.raises(ValueError, match="task 'embedding', not 'matcher'"):
        matching_task(named_recipe("nsl"), (4, 2, 2))


def test_balanced_batches_take_all_classes_there_are() -> None:
    recipe = named_recipe("triplet", [*TINY, "samples_per_class=2"])
    batch = labelled_batches(recipe, PIXELS, TRAIN, LABELS[TRAIN], Shard(0, 1)).batch(0)
    assert torch.equal(torch.bincount(batch.labels), torch.full((4,), 2))


def test_autoencoders_learn_to_draw() -> None:
    recipe = named_recipe("resdyad-ae", ["width=8", "batch_size=16", "lr=0.05", "epochs=12", "code=8x8x20"])
    seed_everything(0)
    task = autoencoding_task(recipe, mean=MEAN, std=STD)
    batches = ImageBatches(PIXELS, TRAIN, LABELS[TRAIN], ShuffledSampler(len(TRAIN), recipe.batch_size, 0))
    batch = batches.batch(0)
    before = task.eval().step(batch)["loss"].item()
    Loop(task, batches, build_optimiser(recipe, task.parameters()), loop_config(recipe)).run()
    assert task.eval().step(batch)["loss"].item() < 0.8 * before


@pytest.mark.parametrize("split", [False, True])
def test_matchers_learn_from_frozen_maps(split: bool) -> None:
    seed_everything(0)
    encoder_recipe = named_recipe("nsl-margin", TINY)
    task = embedding_task(encoder_recipe, classes=CLASSES, images=len(TRAIN), mean=MEAN, std=STD)
    Loop(
        task,
        labelled_batches(encoder_recipe, PIXELS, TRAIN, LABELS[TRAIN]),
        build_optimiser(encoder_recipe, task.parameters()),
        loop_config(encoder_recipe),
    ).run()
    encoded = encode_images(task.encoder, task.preparation, PIXELS, TRAIN, with_maps=True, batch_size=10)
    assert encoded.maps is not None
    recipe = named_recipe("default-matcher", ["width=8", "epochs=30", "batch_size=16", "pairs.pool=4"])
    matcher = matching_task(recipe, encoded.maps.shape[1:], split=split)
    batches = PairBatches(recipe, [encoded.maps], LABELS[TRAIN], encoded.embeddings)
    Loop(matcher, batches, build_optimiser(recipe, matcher.parameters()), loop_config(recipe)).run()
    matcher.eval()
    batch = batches.batch(12_345)
    score = match_probability(matcher.matcher(batch.left.float(), batch.right.float()))
    assert score[batch.matches == 1].mean() > score[batch.matches == 0].mean() + 0.3


def test_pairs_are_a_function_of_the_step() -> None:
    recipe = named_recipe("default-matcher", ["batch_size=32", "pairs.pool=4"])
    random = np.random.default_rng(0)
    embeddings = random.normal(size=(len(LABELS), 8)).astype(np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    views = [np.full((len(LABELS), 1, 2, 2), view, np.float16) + LABELS[:, None, None, None] * 10 for view in range(2)]
    views = [view.astype(np.float16) for view in views]
    batches = PairBatches(recipe, views, LABELS, embeddings)
    assert batches.steps_per_epoch == 2
    batch = batches.batch(5)
    assert torch.equal(PairBatches(recipe, views, LABELS, embeddings).batch(5).left, batch.left)
    assert not torch.equal(batches.batch(6).left, batch.left)
    left, right = batch.left[:, 0, 0, 0] // 10, batch.right[:, 0, 0, 0] // 10
    assert torch.equal((left == right).long(), batch.matches)
    assert batch.matches.sum() == 16
    assert set((batch.left[:, 0, 0, 0] % 10).tolist()) == {0, 1}
    parts = [PairBatches(recipe, views, LABELS, embeddings, Shard(rank, 2)).batch(5) for rank in range(2)]
    assert torch.equal(torch.stack([part.right for part in parts], 1).flatten(0, 1), batch.right)
    with pytest.raises(ValueError, match="at least one view"):
        PairBatches(recipe, [], LABELS, embeddings)


def test_views_are_repeatable_and_differ() -> None:
    recipe = named_recipe("nsl", [*TINY, "augment.quarter_turns=true", "augment.brightness=0.3"])
    task = embedding_task(recipe, classes=CLASSES, images=8, mean=MEAN, std=STD)
    plain, one, again, two = (
        encode_images(task.encoder, task.preparation, PIXELS, TRAIN, view=view).embeddings for view in (0, 1, 1, 2)
    )
    np.testing.assert_array_equal(one, again)
    assert np.abs(one - plain).max() > 1e-3
    assert np.abs(one - two).max() > 1e-3
    assert task.encoder.training
    assert task.preparation.training


def test_the_siamese_baseline_trains_end_to_end() -> None:
    recipe = named_recipe("resdyad-ae", ["width=8", "code=8x8x20"])
    network = Siamese.from_autoencoder(autoencoding_task(recipe, mean=MEAN, std=STD).autoencoder, SIDE, hidden=8)
    pairs = named_recipe("default-matcher", ["batch_size=16", "pairs.hard=0", "epochs=2"])
    loss = build_loss(pairs.loss, num_classes=0, dim=0, num_images=0)
    task = SiameseTask(network, loss, Preparation(MEAN, STD))
    batches = PairBatches(pairs, [PIXELS[TRAIN]], LABELS[TRAIN], np.zeros((0, 1), np.float32))
    losses = task.step(batches.batch(0))
    torch.autograd.backward(losses["loss"])
    assert 0 <= losses["accuracy"] <= 1
    gradient = next(network.trunk.parameters()).grad
    assert gradient is not None
    assert gradient.abs().sum() > 0
