"""Training of a matcher on the maps of a frozen encoder, with hard and random pairs (residual-dyad, equations 7 to 9)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.data.samplers import Indices, Shard
from models.losses.build import build_loss
from models.losses.pairs.pair_sampling import Pairs, PairSampler
from models.matcher.kinds import build_matcher
from models.matcher.networks import MATCH, MapShape, PairMatcher
from models.matcher.siamese import Siamese
from models.training.loop.task import Task
from models.training.recipes.recipe import Recipe
from models.training.transforms import Preparation


@dataclass(frozen=True, slots=True)
class PairBatch:
    """left, right: (N, C, h, w) float16 maps, or (N, S, S, B) uint8 images. matches: (N,) int64: 1 for one class (of a hidden
    class: for one image), else 0."""

    left: Tensor
    right: Tensor
    matches: Tensor

    def __len__(self) -> int:
        """N pairs."""
        return len(self.matches)

    def to(self, device: torch.device) -> PairBatch:
        """The batch on a device."""
        return PairBatch(*(each.to(device, non_blocking=True) for each in (self.left, self.right, self.matches)))

    def pinned(self) -> PairBatch:
        """A copy in page-locked memory."""
        return PairBatch(*(each.pin_memory() for each in (self.left, self.right, self.matches)))


class PairBatches:
    """Batches of pairs of an encoder's maps, or of images; each batch is a pure function of the step."""

    def __init__(
        self,
        recipe: Recipe,
        views: Sequence[NDArray[np.float16] | NDArray[np.uint8]],
        labels: Indices,
        embeddings: NDArray[np.float32],
        shard: Shard | None = None,
    ) -> None:
        """Draw pairs by `recipe.pairs`, the hard ones by similarity of the embeddings.

        views: (T, ...) each: the same T images, for instance maps with different augmentations; each side of a pair is from a
        random view. labels: (T,) int64. embeddings: (T, D) float32, L2-normalised.

        Raises:
            ValueError: no view, views of other lengths than the labels, or labels without both kinds of pairs.
        """
        if not views or any(len(view) != len(labels) for view in views):
            raise ValueError(f"pairs need at least one view, each with {len(labels)} entries, the number of labels")
        pairs = recipe.pairs
        self._generator = torch.Generator()
        self._sampler = PairSampler(
            torch.from_numpy(labels), positives=pairs.positives, hard=pairs.hard, pool=pairs.pool, near=pairs.near,
            generator=self._generator,
        )  # fmt: skip
        if len(views) < 2 and (pairs.instances or pairs.hidden):
            raise ValueError("pairs.instances and pairs.hidden need at least two views of each image; set both to 0")
        if pairs.hard:
            self._sampler.mine(torch.from_numpy(embeddings))
        self._pairs, self._labels = pairs, labels
        self._views, self._size, self._seed, self._shard = tuple(views), recipe.batch_size, recipe.seed, shard or Shard()

    @property
    def steps_per_epoch(self) -> int:
        """Batches per epoch, which has as many pairs as images."""
        return max(1, len(self._views[0]) // self._size)

    def batch(self, step: int) -> PairBatch:
        """This process's share of batch `step`."""
        random = np.random.default_rng([self._seed, step])
        self._generator.manual_seed(int(random.integers(2**63)))
        pairs = self._sampler.draw(self._size)
        views = random.integers(len(self._views), size=(2, self._size))
        if self._pairs.instances or self._pairs.hidden:
            pairs, views = self._with_instances(pairs, views, random)
        own = self._shard.of(np.arange(self._size))
        views = views[:, own]
        left = self._take(pairs.left.numpy()[own], views[0])
        right = self._take(pairs.right.numpy()[own], views[1])
        return PairBatch(left, right, pairs.matches[torch.from_numpy(own)].long())

    def _with_instances(self, pairs: Pairs, views: Indices, random: np.random.Generator) -> tuple[Pairs, Indices]:
        """Replace a share of the matching pairs, and all of the hidden classes, by two different views of their first image."""
        classes = np.unique(self._labels)
        hidden = random.permutation(classes)[: round(self._pairs.hidden * len(classes))]
        left, matches = pairs.left.numpy(), pairs.matches.numpy()
        is_instance = (random.random(self._size) < self._pairs.instances) | np.isin(self._labels[left], hidden)
        is_instance &= matches
        other = (views[0] + random.integers(1, len(self._views), self._size)) % len(self._views)
        views = np.stack((views[0], np.where(is_instance, other, views[1])))
        right = torch.from_numpy(np.where(is_instance, left, pairs.right.numpy()))
        return Pairs(pairs.left, right, pairs.matches), views

    def _take(self, indices: Indices, views: Indices) -> Tensor:
        return torch.from_numpy(np.stack([self._views[view][index] for view, index in zip(views, indices, strict=True)]))


class MatchingTask(Task[PairBatch]):
    """`loss(logits, matches)` of a `PairMatcher` or `PairNetwork`; also reports the accuracy."""

    def __init__(self, matcher: nn.Module, loss: nn.Module) -> None:
        super().__init__()
        self.matcher, self.loss = matcher, loss

    def step(self, batch: PairBatch) -> dict[str, Tensor]:
        """The loss of N pairs of maps."""
        return _losses(self.matcher(batch.left.float(), batch.right.float()), batch.matches, self.loss)


class SiameseTask(Task[PairBatch]):
    """The same end to end: pairs of images (N, S, S, B) uint8 instead of maps; the encoder is trained too."""

    def __init__(self, network: Siamese, loss: nn.Module, preparation: Preparation) -> None:
        super().__init__()
        self.preparation, self.network, self.loss = preparation, network, loss

    def step(self, batch: PairBatch) -> dict[str, Tensor]:
        """The loss of N pairs of images."""
        left, right = (self.preparation(side.permute(0, 3, 1, 2)) for side in (batch.left, batch.right))
        return _losses(self.network(left, right), batch.matches, self.loss)


def matching_task(recipe: Recipe, map_shape: MapShape, *, split: bool = False, hidden: int | None = None) -> MatchingTask:
    """The task of a recipe for maps of (C, h, w), initialised from torch's global generator.

    split: whether to build a `SplitMatcher`, the same network with its first layer split by query and candidate; a correlation
    matcher has no other form. hidden: channels of the features of both, None for the usual number.

    Raises:
        ValueError: the recipe does not train a matcher.
    """
    if recipe.task != "matcher":
        raise ValueError(f"the recipe {recipe.name!r} has task {recipe.task!r}, not 'matcher'")
    loss = build_loss(recipe.loss, num_classes=0, dim=0, num_images=0)
    if split or recipe.block == "correlation":
        return MatchingTask(build_matcher(map_shape, recipe.block, hidden=hidden), loss)
    return MatchingTask(PairMatcher(map_shape, block=recipe.block), loss)


def _losses(logits: Tensor, matches: Tensor, loss: nn.Module) -> dict[str, Tensor]:
    logits = logits.float()
    is_right = (logits.argmax(1) == MATCH) == (matches == 1)
    return {"loss": loss(logits, matches), "accuracy": is_right.float().mean()}
