"""Train the upper part of a two-layer encoder on middle maps, and choose what its feature is made of."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.backbones.registry import build_encoder
from models.backbones.two_layer_encoder import TwoLayerEncoder, middle_statistics
from models.data.batches import Batches
from models.data.samplers import Indices
from models.evaluation.metrics.retrieval import RetrievalReport, retrieval_metrics
from models.losses.build import build_loss
from models.runs.bundled.plan import Plan
from models.runs.networks.run_loop import run_loop
from models.runs.networks.run_options import RunOptions
from models.training.averaging import average_weights
from models.training.loop.seeds import seed_everything
from models.training.tasks.distillation import DistillationTask, MapBatch, MapBatches, UnlabelledBatches

BATCH = 128
Maps = NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class UpperTraining:
    """A trained upper part. encoder: with the weights at the end, not fitted yet. start: weights of its trunk before."""

    encoder: TwoLayerEncoder
    start: Mapping[str, Tensor]

    def fit(self, plain: Maps, rows: Indices, *, share: float, balance: float) -> TwoLayerEncoder:
        """The encoder with averaged weights, fitted to the images `rows` without their labels."""
        encoder = start_encoder(self.encoder.dimension, self.encoder.state_dict())
        encoder.trunk.load_state_dict(average_weights(self.start, self.encoder.trunk.state_dict(), share))
        last, middle = pooled(encoder, plain, rows)
        encoder.fit_without_labels(last, middle, balance=balance)
        return encoder


def start_encoder(dimension: int, state: Mapping[str, Tensor] | None = None) -> TwoLayerEncoder:
    """EfficientNet-Lite0 with ImageNet weights, or with those of a state dict, in evaluation mode."""
    encoder = build_encoder("efficientnet-lite0", dimension=dimension, pooling="two-layer", weights="cache")
    if not isinstance(encoder, TwoLayerEncoder):
        raise TypeError(f"a {type(encoder).__name__}, not a TwoLayerEncoder")
    if state is not None:
        encoder.load_state_dict(state)
    return encoder.eval().to(memory_format=torch.channels_last)


def train_upper(
    plan: Plan, views: Sequence[Maps], rows: Indices, labels: Indices, options: RunOptions, unlabelled: Sequence[Maps] = ()
) -> UpperTraining:
    """Train on the images `rows` in all views. labels: (R,) int64, of these images, of any numbers.

    unlabelled: views of other images, of which `plan.unlabelled` join each batch for the distillation.

    Raises:
        CheckpointError, DivergedError: see `Loop.run`.
    """
    seed_everything(plan.recipe.seed)
    encoder = start_encoder(plan.dimension)
    start = {name: value.clone() for name, value in encoder.trunk.state_dict().items()}
    targets = _targets(encoder, views)
    centre = torch.from_numpy(np.mean([target[rows].mean(axis=0) for target in targets], axis=0))
    numbers = np.unique(labels, return_inverse=True)[1].astype(np.int64)
    loss = build_loss(plan.recipe.loss, num_classes=int(numbers.max()) + 1, dim=plan.recipe.dim, num_images=len(rows))
    task = DistillationTask(encoder, loss, plan.distance, centre)
    batches: Batches[MapBatch] = MapBatches(plan.recipe, views, targets, rows, numbers)
    if unlabelled:
        batches = UnlabelledBatches(batches, unlabelled, _targets(encoder, unlabelled), plan.unlabelled)
    run_loop(plan.recipe, task, batches, options)
    return UpperTraining(encoder.eval(), start)


def choose(
    training: UpperTraining, plan: Plan, plain: Maps, rows: Indices, judged: Sequence[tuple[Indices, Indices]]
) -> tuple[float, float]:
    """The share and the balance with the best mean of mAP, P@10 and k-NN over sets of images that were not trained on.

    rows: training images, to which the encoder is fitted. judged: sets of images (K,), each with its labels (K,), whose images
    query each other.
    """
    found: dict[tuple[float, float], float] = {}
    for share in plan.shares:
        encoder = training.fit(plain, rows, share=share, balance=1.0)
        seen = pooled(encoder, plain, rows)
        held = [pooled(encoder, plain, images) for images, _ in judged]
        for balance in plan.balances:
            encoder.fit_without_labels(*seen, balance=balance)
            scores = [_quality(encoder, each, labels) for each, (_, labels) in zip(held, judged, strict=True)]
            found[share, balance] = float(np.mean(scores))
    return max(itertools.product(plan.shares, plan.balances), key=lambda pair: found[pair])


def _targets(encoder: TwoLayerEncoder, views: Sequence[Maps]) -> list[NDArray[np.float32]]:
    """Pooled last maps of all images, for each view."""
    return [pooled(encoder, view, np.arange(len(view)))[0].numpy() for view in views]


@torch.no_grad()
def pooled(encoder: TwoLayerEncoder, maps: Maps, rows: Indices) -> tuple[Tensor, Tensor]:
    """Pooled last maps (R, C) and statistics of the middle maps (R, 2 M) of the images `rows`, float32."""
    last, middle = [], []
    for start in range(0, len(rows), BATCH):
        batch = torch.from_numpy(maps[rows[start : start + BATCH]]).float().contiguous(memory_format=torch.channels_last)
        last.append(encoder.trunk.upper(batch).mean(dim=(2, 3)))
        middle.append(middle_statistics(batch))
    return torch.cat(last), torch.cat(middle)


@torch.no_grad()
def embed(encoder: TwoLayerEncoder, maps: Maps, rows: Indices) -> NDArray[np.float32]:
    """(R, D) float32, L2-normalised embeddings of the images `rows`."""
    found: NDArray[np.float32] = encoder.project(encoder.join(*pooled(encoder, maps, rows))).numpy()
    return found


def quality(encoder: TwoLayerEncoder, maps: Maps, rows: Indices, labels: Indices) -> RetrievalReport:
    """How well the images `rows` find each other by their embeddings. labels: (R,) int64, of these images."""
    embeddings = embed(encoder, maps, rows)
    return retrieval_metrics(embeddings, labels, embeddings, labels, exclude_self=True)


@torch.no_grad()
def places(encoder: TwoLayerEncoder, maps: Maps) -> NDArray[np.float16]:
    """(N, M, h, w) float16: the encoder's map, for matchers, of (N, M, 2 h, 2 w) middle maps."""
    parts = [encoder.places(torch.from_numpy(maps[start : start + 512]).float()).half() for start in range(0, len(maps), 512)]
    return torch.cat(parts).numpy()


@torch.no_grad()
def _quality(encoder: TwoLayerEncoder, parts: tuple[Tensor, Tensor], labels: Indices) -> float:
    embeddings = encoder.project(encoder.join(*parts)).numpy()
    found = retrieval_metrics(embeddings, labels, embeddings, labels, exclude_self=True)
    return (found.mean_average_precision + found.precision_at[10] + found.knn_accuracy) / 3
