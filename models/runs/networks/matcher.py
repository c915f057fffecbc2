"""Train a matcher on the maps of a frozen encoder, and let it judge a shortlist as the service does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from models.data.samplers import Indices
from models.evaluation.metrics.ranking import Neighbours
from models.evaluation.metrics.rerank import score_shortlist
from models.matcher.networks import match_log_odds
from models.matcher.quantise import Quantisation, dequantise, fit_quantisation, quantise
from models.matcher.split import SplitMatcher
from models.runs.inputs.material import Material
from models.runs.networks.conduct import Conduct
from models.runs.networks.embedder import TrainedEncoder
from models.runs.networks.whole import run_whole
from models.training.encoding import Encoded, encode_images
from models.training.loop.seeds import seed_everything
from models.training.recipes.recipe import Recipe
from models.training.tasks.matching import PairBatches, matching_task

COVERAGE = 0.999
"""Share of the halves' values that a byte must hold; the rest is clipped."""
_SAMPLE = 1024


def encode_views(trained: TrainedEncoder, pixels: NDArray[np.uint8], rows: Indices, views: int) -> list[Encoded]:
    """The images as they are, then `views` times augmented as in training: embeddings and maps of `pixels[rows]`.

    A matcher needs the augmented ones. The encoder knows its training images by heart, and a matcher that saw only those maps
    would take every map for that clear.
    """
    numbers = range(views + 1)
    return [encode_images(trained.encoder, trained.preparation, pixels, rows, with_maps=True, view=view) for view in numbers]


@dataclass(frozen=True, slots=True)
class TrainedMatcher:
    """network: in evaluation mode. stored: how its candidate halves become bytes. plain: the training images as they are."""

    network: SplitMatcher
    stored: Quantisation
    plain: Encoded


def train_matcher_on(
    trained: TrainedEncoder,
    material: Material,
    rows: Indices,
    recipe: Recipe,
    conduct: Conduct,
    *,
    views: int,
) -> TrainedMatcher:
    """Encode some images of the material, plain and `views` times augmented, and train a matcher on the maps.

    The rest as for `train_matcher`.
    """
    encoded, labels = encode_views(trained, material.pixels, rows, views), material.labels[rows]
    network = train_matcher(recipe, encoded, labels, conduct)
    plain = encoded[0]
    if plain.maps is None:
        raise ValueError("a matcher trains on maps; encode with them")
    return TrainedMatcher(network, fit_stored(network, plain.maps), plain)


def train_matcher(recipe: Recipe, views: Sequence[Encoded], labels: Indices, conduct: Conduct) -> SplitMatcher:
    """Run a recipe of task "matcher" over the maps of T images, all views alike; hard pairs are those of the last view.

    views: of `encode_views`. labels: (T,) int64.

    Raises:
        ValueError: recipe, views and labels do not fit. CheckpointError, DivergedError: see `Loop.run`.
    """
    maps = [view.maps for view in views if view.maps is not None]
    if not maps:
        raise ValueError("a matcher trains on maps; encode with them")
    seed_everything(recipe.seed)
    _, channels, height, width = maps[0].shape
    task = matching_task(recipe, (channels, height, width), split=True)
    task.to(conduct.process.device)
    batches = PairBatches(recipe, maps, labels, views[-1].embeddings, conduct.process.shard)
    run_whole(recipe, task, batches, conduct)
    network = task.cpu().matcher
    if not isinstance(network, SplitMatcher):
        raise TypeError(f"the task of {recipe.name!r} made a {type(network).__name__}, no SplitMatcher")
    return network


@torch.no_grad()
def fit_stored(matcher: SplitMatcher, maps: NDArray[np.float16], seed: int = 0) -> Quantisation:
    """How this matcher's candidate halves become bytes, measured on a sample of (N, C, h, w) training maps."""
    sample = np.random.default_rng(seed).permutation(len(maps))[:_SAMPLE]
    halves = matcher.candidate_half(torch.from_numpy(maps[np.sort(sample)]).float())
    return fit_quantisation(halves, coverage=COVERAGE)


@torch.no_grad()
def shortlist_log_odds(
    matcher: SplitMatcher,
    stored: Quantisation | None,
    query_maps: NDArray[np.float16],
    database_maps: NDArray[np.float16],
    shortlist: Neighbours,
) -> NDArray[np.float32]:
    """(Q, K) log-odds of a match for every query and each of its neighbours.

    query_maps, database_maps: (Q, C, h, w) and (N, C, h, w). stored: the candidates' halves go through bytes as in an index;
    None: they stay exact.
    """
    queries = _in_parts(matcher.query_half, query_maps)
    candidates = _in_parts(matcher.candidate_half, database_maps)
    if stored is not None:
        candidates = dequantise(quantise(candidates, stored), stored)

    def score(query: NDArray[np.intp], item: NDArray[np.intp]) -> NDArray[np.float32]:
        logits = matcher.tail(queries[torch.from_numpy(query)], candidates[torch.from_numpy(item)])
        return np.asarray(match_log_odds(logits).numpy(), dtype=np.float32)

    return score_shortlist(shortlist, score)


def _in_parts(half: Callable[[torch.Tensor], torch.Tensor], maps: NDArray[np.float16], size: int = 512) -> torch.Tensor:
    parts = [half(torch.from_numpy(maps[start : start + size]).float()) for start in range(0, len(maps), size)]
    return torch.cat(parts)
