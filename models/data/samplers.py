"""Samplers: the images of each batch.

A sampler is an endless sequence of batches and a pure function of the step. It has no state, so that a resumed run continues at
its step, and all processes of a run agree without communication.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.data.errors import DataError

Indices = NDArray[np.int64]


class Sampler(Protocol):
    """Batches of indices, numbered from 0 without end."""

    @property
    def steps_per_epoch(self) -> int:
        """Number of batches per pass, at least 1."""

    def indices(self, step: int) -> Indices:
        """The (N,) int64 indices of batch `step`; the same in every call."""


class ShuffledSampler:
    """Batches of a random order, a new one for each epoch; the incomplete last batch is dropped."""

    def __init__(self, count: int, batch_size: int, seed: int) -> None:
        """Draw from 0..count-1; the batch size is at most `count`. Raises DataError if either is below 1."""
        _check(count, batch_size)
        self._count, self._size, self._seed = count, min(batch_size, count), seed
        self._order: tuple[int, Indices] | None = None

    @property
    def steps_per_epoch(self) -> int:
        """The count divided by the batch size, rounded down."""
        return self._count // self._size

    def indices(self, step: int) -> Indices:
        """Batch `step`, all different images."""
        epoch, place = divmod(step, self.steps_per_epoch)
        if self._order is None or self._order[0] != epoch:
            self._order = epoch, np.random.default_rng([self._seed, epoch]).permutation(self._count)
        return self._order[1][place * self._size : (place + 1) * self._size]


class BalancedSampler:
    """Batches of P classes with M images each: all classes equally often, and all images of a class equally often.

    Batches are ordered by class: M images of the first, then M of the second.
    """

    def __init__(self, labels: Indices, classes: int, per_class: int, seed: int) -> None:
        """Draw positions in `labels` (N,) int64; P = classes, M = per_class.

        A class with fewer than M images repeats some of them within a batch.

        Raises:
            DataError: there are no images, or fewer than P classes.
        """
        _check(len(labels), classes * per_class)
        names = np.unique(labels)
        if len(names) < classes:
            raise DataError(f"a batch needs {classes} classes, but the images have {len(names)}")
        self._members = [np.flatnonzero(labels == name) for name in names]
        self._count, self._classes, self._per_class, self._seed = len(labels), classes, per_class, seed
        self._plan: tuple[int, Indices] | None = None

    @property
    def steps_per_epoch(self) -> int:
        """N divided by the batch size, at least 1."""
        return max(1, self._count // (self._classes * self._per_class))

    def indices(self, step: int) -> Indices:
        """Batch `step`: (P * M,)."""
        epoch, place = divmod(step, self.steps_per_epoch)
        if self._plan is None or self._plan[0] != epoch:
            self._plan = epoch, self._make_plan(np.random.default_rng([self._seed, epoch]))
        batch: Indices = self._plan[1][place]
        return batch

    def _make_plan(self, random: np.random.Generator) -> Indices:
        streams = [_endless(members, self._per_class, random) for members in self._members]
        used = np.zeros(len(streams))
        plan = []
        for _ in range(self.steps_per_epoch):
            # the least used classes, ties at random
            chosen = np.lexsort((random.random(len(streams)), used))[: self._classes]
            used[chosen] += 1
            plan.append(np.concatenate([next(streams[i]) for i in random.permutation(chosen)]))
        return np.stack(plan)


@dataclass(frozen=True)
class Shard:
    """One process's share of every batch: images rank, rank + world, rank + 2 world, ..."""

    rank: int = 0
    world: int = 1

    def of(self, indices: Indices) -> Indices:
        """This process's part; all parts have the same length.

        Raises:
            DataError: the batch is not divisible by the number of processes.
        """
        if len(indices) % self.world:
            raise DataError(
                f"a batch of {len(indices)} images is not divisible by {self.world} processes; change the batch size"
            )
        return indices[self.rank :: self.world]


def _endless(members: Indices, count: int, random: np.random.Generator) -> Iterator[Indices]:
    """Groups of `count` from random orders of the members; without repeats within a group if there are enough."""
    if len(members) < count:
        while True:
            yield np.concatenate([random.permutation(members) for _ in range(-(-count // len(members)))])[:count]
    while True:
        order = random.permutation(members)
        for start in range(0, len(order) - count + 1, count):
            yield order[start : start + count]


def _check(count: int, batch_size: int) -> None:
    if count < 1:
        raise DataError("there are no images to draw batches from")
    if batch_size < 1:
        raise DataError(f"a batch needs at least one image, not {batch_size}")
