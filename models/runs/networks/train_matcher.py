"""Train a matcher on the maps of a frozen encoder, and score shortlists with it as the service does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from models.data.samplers import Indices
from models.evaluation.metrics.ranking import Neighbours
from models.evaluation.metrics.rerank import score_shortlist
from models.matcher.correlation import CorrelationMatcher
from models.matcher.kinds import PairNetwork
from models.matcher.networks import match_log_odds
from models.matcher.quantise import Quantisation, dequantise, fit_quantisation, quantise
from models.runs.inputs.material import Material
from models.runs.networks.run_loop import run_loop
from models.runs.networks.run_options import RunOptions
from models.runs.networks.train_embedder import TrainedEncoder
from models.runs.networks.validation_loss import VALIDATION_LOSS, pair_loss
from models.training.encoding import Encoded, encode_images
from models.training.loop.seeds import seed_everything
from models.training.recipes.recipe import Recipe
from models.training.tasks.matching import PairBatches, matching_task

COVERAGE = 0.999
"""Share of the values of candidate features within the range of a byte; the rest is clipped."""
_SAMPLE = 1024


def encode_views(trained: TrainedEncoder, pixels: NDArray[np.uint8], rows: Indices, views: int) -> list[Encoded]:
    """Embeddings and maps of `pixels[rows]`, first without augmentation, then augmented `views` times as in training.

    A matcher needs the augmented images: the encoder overfits its training images, and a matcher trained on these maps only
    would be overconfident.
    """
    numbers = range(views + 1)
    return [encode_images(trained.encoder, trained.preparation, pixels, rows, with_maps=True, view=view) for view in numbers]


@dataclass(frozen=True, slots=True)
class TrainedMatcher:
    """network: in evaluation mode. stored: quantisation of candidate features. plain: training images without augmentation."""

    network: PairNetwork
    stored: Quantisation
    plain: Encoded


def train_matcher_on(
    trained: TrainedEncoder,
    material: Material,
    rows: Indices,
    recipe: Recipe,
    options: RunOptions,
    *,
    views: int,
) -> TrainedMatcher:
    """Encode some images, without augmentation and augmented `views` times, and train a matcher on the maps.

    The other arguments are those of `train_matcher`.
    """
    encoded, labels = encode_views(trained, material.pixels, rows, views), material.labels[rows]
    network = train_matcher(recipe, encoded, labels, options)
    plain = encoded[0]
    if plain.maps is None:
        raise ValueError("a matcher trains on maps; encode with with_maps=True")
    return TrainedMatcher(network, fit_stored(network, plain.maps), plain)


def train_matcher(
    recipe: Recipe,
    views: Sequence[Encoded],
    labels: Indices,
    options: RunOptions,
    *,
    hidden: int | None = None,
    validation: tuple[Sequence[Encoded], Indices] | None = None,
) -> PairNetwork:
    """Run a recipe of task "matcher" over the maps of T images in all views; hard pairs are mined in the last view.

    views: of `encode_views`. labels: (T,) int64. hidden: channels of the features, None for the usual number.
    validation: views and labels of images on whose pairs early stopping watches the loss; None for the training loss.

    Raises:
        ValueError: recipe, views and labels do not fit together. CheckpointError, DivergedError: see `Loop.run`.
    """
    maps = [view.maps for view in views if view.maps is not None]
    if not maps:
        raise ValueError("a matcher trains on maps; encode with with_maps=True")
    seed_everything(recipe.seed)
    _, channels, height, width = maps[0].shape
    task = matching_task(recipe, (channels, height, width), split=True, hidden=hidden)
    if isinstance(task.matcher, CorrelationMatcher):
        task.matcher.fit_projection(torch.from_numpy(_sample(maps[0], recipe.seed)).float())
    task.to(options.process.device)
    batches = PairBatches(recipe, maps, labels, views[-1].embeddings, options.process.shard)
    validate = None
    if validation is not None:
        held, known = validation
        held_maps = [view.maps for view in held if view.maps is not None]
        validate = pair_loss(recipe, task, held_maps, known, held[-1].embeddings)
    watch = None if validate is None else VALIDATION_LOSS
    run_loop(recipe, task, batches, options, validate=validate, watch=watch)
    network = task.cpu().matcher
    if not isinstance(network, PairNetwork):
        raise TypeError(f"the task of {recipe.name!r} has a {type(network).__name__}, not a split or correlation matcher")
    return network


@torch.no_grad()
def fit_stored(matcher: PairNetwork, maps: NDArray[np.float16], seed: int = 0) -> Quantisation:
    """Quantisation of this matcher's candidate features, fitted to a sample of (N, C, h, w) training maps."""
    features = matcher.candidate_half(torch.from_numpy(_sample(maps, seed)).float())
    return fit_quantisation(features, coverage=COVERAGE)


def _sample(maps: NDArray[np.float16], seed: int) -> NDArray[np.float16]:
    sampled: NDArray[np.float16] = maps[np.sort(np.random.default_rng(seed).permutation(len(maps))[:_SAMPLE])]
    return sampled


@torch.no_grad()
def shortlist_log_odds(
    matcher: PairNetwork,
    stored: Quantisation | None,
    query_maps: NDArray[np.float16],
    database_maps: NDArray[np.float16],
    shortlist: Neighbours,
) -> NDArray[np.float32]:
    """(Q, K) log-odds of a match for every query and each of its neighbours.

    query_maps, database_maps: (Q, C, h, w) and (N, C, h, w). stored: quantisation of candidate features, as in an index; None:
    they stay exact.
    """
    queries = _in_batches(matcher.query_half, query_maps)
    candidates = _in_batches(matcher.candidate_half, database_maps)
    if stored is not None:
        candidates = dequantise(quantise(candidates, stored), stored)

    def score(query: NDArray[np.intp], item: NDArray[np.intp]) -> NDArray[np.float32]:
        logits = matcher.tail(queries[torch.from_numpy(query)], candidates[torch.from_numpy(item)])
        return np.asarray(match_log_odds(logits).numpy(), dtype=np.float32)

    return score_shortlist(shortlist, score)


def _in_batches(
    first_layer: Callable[[torch.Tensor], torch.Tensor], maps: NDArray[np.float16], size: int = 512
) -> torch.Tensor:
    parts = [first_layer(torch.from_numpy(maps[start : start + size]).float()) for start in range(0, len(maps), size)]
    return torch.cat(parts)
