"""The second stage of a bundle: a correlation matcher, and the fused score learned on classes that training did not include."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.backbones.two_layer_encoder import TwoLayerEncoder
from models.data.samplers import Indices
from models.evaluation.learn_ranking import LearnedRanking, learn_ranking
from models.evaluation.metrics.ranking import nearest
from models.evaluation.metrics.shortlists import RankedShortlists
from models.matcher.kinds import PairNetwork
from models.matcher.quantise import Quantisation
from models.runs.bundled.bundle_maps import BundleMaps
from models.runs.bundled.plan import Plan
from models.runs.bundled.train_encoder import embed, places
from models.runs.networks.train_correlation import train_correlation
from models.runs.networks.train_matcher import shortlist_log_odds

DEPTH = 100


@dataclass(frozen=True, slots=True)
class TwoStages:
    """An encoder and its matcher. stored: quantisation of the matcher's descriptors."""

    encoder: TwoLayerEncoder
    network: PairNetwork
    stored: Quantisation


def train_second_stage(plan: Plan, encoder: TwoLayerEncoder, maps: BundleMaps, rows: Indices, folder: Path) -> TwoStages:
    """Train a matcher on the images `rows`; checkpoints are in `folder`, from which a stopped run resumes."""
    views = [places(encoder, view[rows]) for view in (maps.plain, *maps.pairs)]
    network, stored = train_correlation(
        views,
        maps.material.labels[rows],
        embed(encoder, maps.plain, rows),
        descriptor_dim=plan.descriptor,
        seed=plan.recipe.seed,
        steps=plan.matcher_steps,
        folder=folder,
    )
    return TwoStages(encoder, network, stored)


def shortlists(stages: TwoStages, maps: BundleMaps, queries: Indices, others: Indices | None = None) -> RankedShortlists:
    """Shortlists of the images `queries` among themselves and the images `others`, with all terms of the fused score."""
    rows = queries if others is None else np.concatenate([queries, others])
    embeddings, labels = embed(stages.encoder, maps.plain, rows), maps.material.labels[rows]
    seen = places(stages.encoder, maps.plain[rows])
    own, count = np.arange(len(queries)), len(queries)
    shortlist = nearest(embeddings[:count], embeddings, DEPTH, own=own)
    log_odds = shortlist_log_odds(stages.network, stages.stored, seen[:count], seen, shortlist)
    return RankedShortlists.of(embeddings[:count], labels[:count], embeddings, labels, shortlist, log_odds, own=own)


def learn_scores(
    twin: TwoStages, maps: BundleMaps, held: Indices, taught: Indices, tests: Mapping[str, RankedShortlists]
) -> LearnedRanking:
    """Weights and calibration on the twin's held-out classes, ranked among these and all that it was taught.

    held, taught: images of the held-out classes, and of the others. tests: where the calibration is measured.
    """
    judged = shortlists(twin, maps, held, taught)
    return learn_ranking([judged], [judged], list(tests.values()))
