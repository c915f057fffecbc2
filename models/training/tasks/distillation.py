"""Training of an encoder's upper part on cached maps, by a loss over classes and by distillation to its starting weights.

The distillation keeps what the start knew: the pooled maps stay near those of the frozen start, for each image and view. It
needs no labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from models.backbones.two_layer_encoder import TwoLayerEncoder
from models.data.batches import Batches
from models.data.samplers import Indices, ShuffledSampler
from models.training.loop.task import Task
from models.training.recipes.recipe import Recipe

_VIEW_SEED = 0x71E35
_UNLABELLED_SEED = 0x5CE4E


@dataclass(frozen=True, slots=True)
class MapBatch:
    """maps: (N, M, h, w) float16 middle maps. labels: (L,) int64 of the first L images; the others have none.

    targets: (N, C) float32 pooled last maps of the start.
    """

    maps: Tensor
    labels: Tensor
    targets: Tensor

    def __len__(self) -> int:
        """N images."""
        return len(self.maps)

    def to(self, device: torch.device) -> MapBatch:
        """The batch on a device."""
        return MapBatch(*(each.to(device, non_blocking=True) for each in (self.maps, self.labels, self.targets)))

    def pinned(self) -> MapBatch:
        """A copy in page-locked memory."""
        return MapBatch(*(each.pin_memory() for each in (self.maps, self.labels, self.targets)))


class MapBatches:
    """Shuffled batches, each image in a random view; each batch is a pure function of the step."""

    def __init__(
        self,
        recipe: Recipe,
        views: Sequence[NDArray[np.float16]],
        targets: Sequence[NDArray[np.float32]],
        rows: Indices,
        labels: Indices,
    ) -> None:
        """views: (T, M, h, w) each, targets: (T, C) each, of the same images. rows: (R,) int64 of these. labels: (R,) int64.

        Raises:
            ValueError: no view, or other numbers of targets or labels.
        """
        if not views or len(views) != len(targets) or len(rows) != len(labels):
            raise ValueError(
                f"{len(views)} views, {len(targets)} targets, {len(rows)} rows and {len(labels)} labels do not fit"
            )
        self._views, self._targets, self._rows, self._labels = views, targets, rows, labels
        self._sampler = ShuffledSampler(len(rows), recipe.batch_size, recipe.seed)
        self._seed = recipe.seed + _VIEW_SEED

    @property
    def steps_per_epoch(self) -> int:
        """Number of batches per pass."""
        return self._sampler.steps_per_epoch

    def batch(self, step: int) -> MapBatch:
        """Batch `step`."""
        chosen = self._sampler.indices(step)
        views = np.random.default_rng((self._seed, step)).integers(len(self._views), size=len(chosen))
        maps, targets = _picked(self._views, self._targets, views, self._rows[chosen])
        return MapBatch(maps, torch.from_numpy(self._labels[chosen]), targets)


class UnlabelledBatches:
    """Batches to each of which random images without labels are added, each in a random view."""

    def __init__(
        self,
        labelled: Batches[MapBatch],
        views: Sequence[NDArray[np.float16]],
        targets: Sequence[NDArray[np.float32]],
        count: int,
    ) -> None:
        """views, targets: as of `MapBatches`, of the images without labels. count: of these in each batch."""
        self._labelled, self._views, self._targets, self._count = labelled, views, targets, count

    @property
    def steps_per_epoch(self) -> int:
        """Number of batches per pass over the images with labels."""
        return self._labelled.steps_per_epoch

    def batch(self, step: int) -> MapBatch:
        """Batch `step`."""
        batch = self._labelled.batch(step)
        random = np.random.default_rng((_UNLABELLED_SEED, step))
        views, rows = (
            random.integers(len(self._views), size=self._count),
            random.integers(len(self._views[0]), size=self._count),
        )
        maps, targets = _picked(self._views, self._targets, views, rows)
        return MapBatch(torch.cat([batch.maps, maps]), batch.labels, torch.cat([batch.targets, targets]))


def _picked(
    views: Sequence[NDArray[np.float16]], targets: Sequence[NDArray[np.float32]], chosen: Indices, rows: Indices
) -> tuple[Tensor, Tensor]:
    """Maps and targets of some images, each in the view of the number `chosen`."""
    pairs = list(zip(chosen.tolist(), rows.tolist(), strict=True))
    maps = np.stack([views[view][row] for view, row in pairs])
    return torch.from_numpy(maps), torch.from_numpy(np.stack([targets[view][row] for view, row in pairs]))


class DistillationTask(Task[MapBatch]):
    """`loss(class head's embeddings, labels)` plus `weight` times the mean cosine distance to the start's pooled maps.

    encoder: its lower part and all but the class head stay as they are; the upper part is trained with its batch norms in
    evaluation mode. centre: (C,) mean of the start's pooled maps, subtracted before cosines.
    """

    centre: Tensor

    def __init__(self, encoder: TwoLayerEncoder, loss: nn.Module, weight: float, centre: Tensor) -> None:
        super().__init__()
        encoder.requires_grad_(False)
        self.upper = encoder.trunk.upper_modules().requires_grad_(True)
        self.taught = encoder.taught.requires_grad_(True)
        self.loss = loss
        self._upper = encoder.trunk.upper
        self._weight = weight
        self.register_buffer("centre", centre)

    def train(self, mode: bool = True) -> DistillationTask:
        """Training mode without that of the batch norms: their statistics are the start's."""
        super().train(mode)
        self.upper.eval()
        return self

    def step(self, batch: MapBatch) -> dict[str, Tensor]:
        """The losses of N images; only those with labels have a loss over classes."""
        pooled = self._upper(batch.maps.float().contiguous(memory_format=torch.channels_last)).mean(dim=(2, 3))
        classes = self.loss(functional.normalize(self.taught(pooled[: len(batch.labels)]), dim=1), batch.labels)
        kept = 1 - functional.cosine_similarity(pooled - self.centre, batch.targets - self.centre).mean()
        return {"loss": classes + self._weight * kept, "classes": classes, "distance": kept}
