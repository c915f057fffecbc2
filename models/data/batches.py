"""Batches of images, with or without labels, as pure functions of the step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.data.errors import DataError
from models.data.samplers import Indices, Sampler, Shard

BatchT_co = TypeVar("BatchT_co", covariant=True)


class Batches(Protocol[BatchT_co]):
    """Batches numbered from 0 without end, each a pure function of its number."""

    @property
    def steps_per_epoch(self) -> int:
        """Number of batches per pass, at least 1."""

    def batch(self, step: int) -> BatchT_co:
        """This process's share of batch `step`; the same in every call."""


@dataclass(frozen=True, slots=True)
class ImageBatch:
    """N images.

    images: (N, B, S, S) uint8, channels-last in memory. labels: (N,) int64, -1 without. indices: (N,) int64, of the
    training set.
    """

    images: Tensor
    labels: Tensor
    indices: Tensor

    def __len__(self) -> int:
        """N."""
        return len(self.images)

    def to(self, device: torch.device) -> ImageBatch:
        """The batch on a device."""
        return ImageBatch(*(each.to(device, non_blocking=True) for each in (self.images, self.labels, self.indices)))

    def pinned(self) -> ImageBatch:
        """A copy in page-locked memory, from which transfers to a GPU overlap with its work."""
        return ImageBatch(*(each.pin_memory() for each in (self.images, self.labels, self.indices)))


@dataclass(frozen=True, slots=True)
class JointBatch:
    """A labelled and an unlabelled batch of one step."""

    labelled: ImageBatch
    unlabelled: ImageBatch

    def __len__(self) -> int:
        """Images in both."""
        return len(self.labelled) + len(self.unlabelled)

    def to(self, device: torch.device) -> JointBatch:
        """Both on a device."""
        return JointBatch(self.labelled.to(device), self.unlabelled.to(device))

    def pinned(self) -> JointBatch:
        """Both in page-locked memory."""
        return JointBatch(self.labelled.pinned(), self.unlabelled.pinned())


class ImageBatches:
    """Batches from an array of decoded images."""

    def __init__(
        self,
        pixels: NDArray[np.uint8],
        rows: Indices,
        labels: Indices,
        sampler: Sampler,
        shard: Shard | None = None,
    ) -> None:
        """Use the images `pixels[rows]`; indices of the sampler and of batches refer to `rows`.

        pixels: (N, S, S, B) uint8, memory-mapped or not. rows, labels: (T,) int64. shard: this process's share, None for all.

        Raises:
            DataError: the numbers of rows and labels differ.
        """
        if len(rows) != len(labels):
            raise DataError(f"{len(rows)} images have {len(labels)} labels")
        self._pixels, self._rows, self._labels = pixels, rows, labels
        self._sampler, self._shard = sampler, shard or Shard()

    @property
    def steps_per_epoch(self) -> int:
        """That of the sampler."""
        return self._sampler.steps_per_epoch

    def batch(self, step: int) -> ImageBatch:
        """This process's share of batch `step`."""
        indices = self._shard.of(self._sampler.indices(step))
        images = torch.from_numpy(self._pixels[self._rows[indices]]).permute(0, 3, 1, 2)
        return ImageBatch(images, torch.from_numpy(self._labels[indices]), torch.from_numpy(indices.copy()))


class JointBatches:
    """Pairs of labelled and unlabelled batches; each kind is repeated independently."""

    def __init__(
        self,
        labelled: Batches[ImageBatch],
        unlabelled: Batches[ImageBatch],
        epoch_of: Literal["labelled", "unlabelled"] = "labelled",
    ) -> None:
        """epoch_of: the images of which one pass is an epoch."""
        self._labelled, self._unlabelled = labelled, unlabelled
        self._steps = (labelled if epoch_of == "labelled" else unlabelled).steps_per_epoch

    @property
    def steps_per_epoch(self) -> int:
        """That of the images of `epoch_of`."""
        return self._steps

    def batch(self, step: int) -> JointBatch:
        """Batch `step` of both."""
        return JointBatch(self._labelled.batch(step), self._unlabelled.batch(step))
