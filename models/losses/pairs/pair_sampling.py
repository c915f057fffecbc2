"""Sampling of training pairs for a matcher: balanced between matches and others, hard pairs mixed with random ones."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

_CHUNK = 1024
"""Rows compared with the whole set at a time, so that memory does not grow with the square of the set."""


class Pairs(NamedTuple):
    """Pairs of images by their positions in the set."""

    left: Tensor
    """(N,) int64."""
    right: Tensor
    """(N,) int64, never equal to `left`."""
    matches: Tensor
    """(N,) bool: the two are of one class."""


class PairSampler:
    """Draws balanced pairs, a share of them hard.

    Hard negatives of an image are among its `pool` most similar images of other classes, hard positives among its `pool`
    least similar ones of its own. The other pairs are random: a matcher trained on hard pairs only gives random scores to
    dissimilar images, which it was not trained on.
    """

    def __init__(
        self,
        labels: Tensor,
        *,
        positives: float = 0.5,
        hard: float = 0.5,
        pool: int = 50,
        near: bool = False,
        generator: torch.Generator,
    ) -> None:
        """labels: (T,) int64 of at least two classes, one of them with two images. positives: share of matching pairs.
        hard: share of the pairs that are hard once `mine` has been called. pool: see above. near: hard positives are the
        most similar ones of the class instead of the least similar. generator: of the draws.

        Raises:
            ValueError: shares outside [0, 1], or labels that allow no match or nothing but matches.
        """
        if not (0 <= positives <= 1 and 0 <= hard <= 1 and pool >= 1):
            raise ValueError(f"positives {positives} and hard {hard} are shares in [0, 1], and pool {pool} is at least 1")
        counts = torch.unique(labels, return_counts=True)[1]
        if counts.numel() < 2 or int(counts.max()) < 2:
            raise ValueError("pairs need at least two classes, and two images in one of them")
        self.labels, self.positives, self.hard, self.pool = labels.cpu(), positives, hard, pool
        self.near = near
        self.generator = generator
        self._anchors = torch.nonzero(_own_counts(self.labels) > 1).squeeze(1)
        self._near: Tensor | None = None
        self._far: Tensor | None = None

    def mine(self, embeddings: Tensor) -> None:
        """Mine the hard partners of every image again; before the first call all pairs are random.

        embeddings: (T, D) float32, L2-normalised, in the order of the labels.

        Raises:
            ValueError: as many rows as labels are needed.
        """
        if embeddings.ndim != 2 or embeddings.shape[0] != self.labels.shape[0]:
            raise ValueError(f"mining needs ({self.labels.shape[0]}, D) embeddings, not {tuple(embeddings.shape)}")
        rows = embeddings.detach()
        labels = self.labels.to(rows.device)
        parts = [_partners(rows, labels, start, self.pool, near=self.near) for start in range(0, rows.shape[0], _CHUNK)]
        self._near = torch.cat([near for near, _ in parts]).cpu()
        self._far = torch.cat([far for _, far in parts]).cpu()

    def draw(self, count: int) -> Pairs:
        """`count` pairs in random order, the shares of positives and hard ones exact but for rounding."""
        matching = round(count * self.positives)
        left_same, right_same = self._draw_kind(matching, matches=True)
        left_other, right_other = self._draw_kind(count - matching, matches=False)
        order = torch.randperm(count, generator=self.generator)
        matches = torch.arange(count) < matching
        left, right = torch.cat([left_same, left_other]), torch.cat([right_same, right_other])
        return Pairs(left[order], right[order], matches[order])

    def _draw_kind(self, count: int, *, matches: bool) -> tuple[Tensor, Tensor]:
        """`count` pairs of one kind, the hard ones first."""
        anchors = self._anchors if matches else torch.arange(self.labels.shape[0])
        left = anchors[self._integers(anchors.shape[0], count)]
        right = torch.empty_like(left)
        table = self._far if matches else self._near
        hard = round(count * self.hard) if table is not None else 0
        if table is not None:
            right[:hard] = self._from_table(table[left[:hard]])
        right[hard:] = self._random_partners(left[hard:], matches=matches)
        return left, right

    def _from_table(self, rows: Tensor) -> Tensor:
        """One entry of each row (K, pool) that is not -1."""
        weights = (rows >= 0).to(torch.float32)
        if rows.shape[0] == 0:
            return rows.new_empty(0)
        return rows.gather(1, torch.multinomial(weights, 1, generator=self.generator)).squeeze(1)

    def _random_partners(self, left: Tensor, *, matches: bool) -> Tensor:
        """For each of `left` a random image of its class, or of another, all as likely; tried again until it fits."""
        right = left.clone()
        wrong = torch.arange(left.shape[0])
        order = torch.argsort(self.labels, stable=True)
        sorted_labels = self.labels[order].contiguous()
        while wrong.numel():
            own = self.labels[left[wrong]]
            if matches:
                first, last = torch.searchsorted(sorted_labels, own), torch.searchsorted(sorted_labels, own, right=True)
                uniform = torch.rand(wrong.shape[0], generator=self.generator, dtype=torch.float64)
                right[wrong] = order[first + (uniform * (last - first)).long()]
                fits = right[wrong] != left[wrong]
            else:
                right[wrong] = self._integers(self.labels.shape[0], wrong.shape[0])
                fits = self.labels[right[wrong]] != own
            wrong = wrong[~fits]
        return right

    def _integers(self, below: int, count: int) -> Tensor:
        return torch.randint(below, (count,), generator=self.generator)


def _own_counts(labels: Tensor) -> Tensor:
    """(T,) int64: how many images share each image's label."""
    found: tuple[Tensor, Tensor, Tensor] = torch.unique(labels, return_inverse=True, return_counts=True)
    _, inverse, counts = found
    return counts[inverse]


def _partners(rows: Tensor, labels: Tensor, start: int, pool: int, *, near: bool) -> tuple[Tensor, Tensor]:
    """For the images from `start` on: (chunk, pool) most similar of other classes, and least similar of their own class, or the
    most similar ones if `near`.

    -1 fills up where a class, or the rest of the set, has fewer.
    """
    own = labels[start : start + _CHUNK, None] == labels[None, :]
    similarity = rows[start : start + _CHUNK] @ rows.T
    width = min(pool, rows.shape[0])
    others = similarity.masked_fill(own, -torch.inf).topk(width, dim=1)
    itself = torch.arange(start, start + own.shape[0], device=rows.device)[:, None]
    outside = -torch.inf if near else torch.inf
    alike = similarity.masked_fill(~own.scatter(1, itself, False), outside).topk(width, dim=1, largest=near)
    return others.indices.masked_fill(others.values.isinf(), -1), alike.indices.masked_fill(alike.values.isinf(), -1)
