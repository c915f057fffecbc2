"""The second stage of a search: how many candidates are re-ranked, and their scores and probabilities."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.domain.collections import Collection
from app.domain.queries.search import Reranking, RerankWish, SearchQuery
from app.errors import InvalidBundle, InvalidInput, NotFound
from app.ports import Inference
from app.services.catalogue.models import ModelService
from app.services.search.rerank_latency import RerankLatency
from models.bundle.card import ModelCard
from models.bundle.ranking import Ranking, cosine_ranking, second_stage

log = logging.getLogger(__name__)

EVEN = 0.5
"""The probability from which a result is a likely match."""
STEP = 1e-6
"""Smallest difference of two scores, which have 6 decimals."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How the first candidates of a search are scored.

    ranking: of the model's card. depth: number of candidates. is_second_stage: False if only probabilities are added to the
    order of the embedding. is_wish: re-ranking was requested, so an error must not skip it.
    """

    model: Inference
    ranking: Ranking
    depth: int
    is_second_stage: bool
    budget_ms: float | None
    is_wish: bool

    @property
    def has_matcher(self) -> bool:
        """Whether the matcher compares the candidates with the examples."""
        return self.ranking.weight > 0

    @property
    def summary(self) -> Reranking | None:
        """The part of the plan that the search result contains; None without a second stage."""
        if not self.is_second_stage:
            return None
        return Reranking(self.depth, self.ranking.weight, self.ranking.neighbours or None, self.budget_ms)


@dataclass(frozen=True, slots=True)
class Judgement:
    """Scores of M candidates.

    scores: (M,) float64, rounded to 6 decimals. probabilities: (M,) float64 match probabilities, 0..1, which ascend with the
    scores; None if the ranking is not calibrated.
    """

    scores: NDArray[np.float64]
    probabilities: NDArray[np.float64] | None


def judge(
    ranking: Ranking,
    cosines: NDArray[np.float64],
    are_same: NDArray[np.bool_],
    log_odds: NDArray[np.float64] | None = None,
    overlaps: NDArray[np.float64] | None = None,
) -> Judgement:
    """Fuse the terms of the score, (M,) each, and compute the probabilities from the scores alone.

    are_same: whether a candidate has the same image as the examples. The matcher was trained on pairs of different images, so
    its log-odds mean nothing for these: they come first, with probability 1.
    """
    scores = np.round(ranking.scores(cosines, log_odds, overlaps), 6)
    if are_same.any():
        highest = scores[~are_same].max(initial=-np.inf)
        scores = np.where(are_same, np.maximum(scores, np.round(highest + STEP, 6)), scores)
    chances = ranking.probabilities(scores)
    return Judgement(scores, None if chances is None else np.where(are_same, 1.0, chances))


class Reranker:
    """Decides how a search is re-ranked, and re-ranks."""

    def __init__(self, models: ModelService) -> None:
        self._models = models
        self._latency = RerankLatency()

    def plan(self, collection: Collection, model_id: str, query: SearchQuery, examples: int) -> Plan | None:
        """How the candidates of a search are scored; None if only by the cosine, without probabilities.

        examples: number of examples with which each candidate is compared.

        Raises:
            InvalidInput: a depth or a time budget is requested for a model that cannot re-rank, or a probability where there
                is none.
        """
        plan = self._plan(collection, model_id, query, examples)
        if query.min_probability is not None:
            if plan is None:
                raise InvalidInput(f"min_probability: {_why_none(collection, model_id, query.rerank)}")
            if plan.ranking.scale is None:
                raise InvalidInput(f"min_probability: the scores of model {model_id!r} are not calibrated; leave it out")
        return plan

    def matching_model(self, model_id: str) -> Inference | None:
        """The model; None if it cannot be loaded or has no matcher."""
        model = self._model(model_id, is_wish=False)
        return None if model is None or model.card.matcher is None else model

    def compare(self, model: Inference, query_features: NDArray[np.float32], pairs: NDArray[np.uint8]) -> NDArray[np.float64]:
        """(M,) log-odds of each candidate, the mean over the examples.

        query_features: (E, P) float32 of the examples. pairs: (M, P) uint8 candidate features.
        """
        start = time.perf_counter()
        by_example = np.stack([model.log_odds(features, pairs) for features in query_features])  # (E, M)
        self._latency.note(model.card.id, len(pairs) * len(query_features), (time.perf_counter() - start) * 1000)
        return np.asarray(by_example.mean(axis=0, dtype=np.float64))

    def _plan(self, collection: Collection, model_id: str, query: SearchQuery, examples: int) -> Plan | None:
        wish = query.rerank
        is_wish = wish.wanted is True or wish.depth is not None or wish.budget_ms is not None
        if query.after is not None and query.after.depth == 0:
            return None
        model = self._model(model_id, is_wish)
        if model is None:
            return None
        if wish.wanted is False or (collection.rerank is False and not is_wish):
            ranking, is_second_stage = cosine_ranking(model.card), False
        else:
            ranking, is_second_stage = self._second_stage(model.card, wish, is_wish=is_wish), True
        if ranking is None:
            return None
        depth = self._depth(model, ranking, query, examples)
        return Plan(model, ranking, depth, is_second_stage, wish.budget_ms, is_wish)

    @staticmethod
    def _second_stage(card: ModelCard, wish: RerankWish, *, is_wish: bool) -> Ranking | None:
        """The ranking of the second stage; None if the model has none, or if it is used on request only."""
        ranking, matcher = second_stage(card), card.matcher
        if ranking is None and (wish.depth is not None or wish.budget_ms is not None):
            raise InvalidInput(f"rerank: model {card.id!r} has no matcher to re-rank with; leave out `rerank`")
        if matcher is None or is_wish or matcher.calibration is not None:
            return ranking
        fusion = matcher.fusion
        return ranking if fusion is not None and (fusion.weight > 0 or fusion.neighbours > 0) else None

    def _depth(self, model: Inference, ranking: Ranking, query: SearchQuery, examples: int) -> int:
        wish, has_matcher = query.rerank, ranking.weight > 0
        if has_matcher:
            self._latency.prime(model)
        if query.after is not None:
            return query.after.depth
        if wish.budget_ms is not None and has_matcher:
            return self._latency.depth(model, wish.budget_ms, examples)
        return wish.depth or ranking.depth

    def _model(self, model_id: str, is_wish: bool) -> Inference | None:
        """The model; None where it cannot be loaded and re-ranking was not requested: the search still uses its vectors."""
        try:
            return self._models.load(model_id)
        except (NotFound, InvalidBundle) as error:
            if is_wish:
                raise
            log.warning("not re-ranked: %s", error)
            return None


def matches_end(probabilities: NDArray[np.float64], is_all: bool) -> int | None:
    """Number of leading results that are likely matches: those with a probability of at least 0.5.

    probabilities: (M,) in rank order, descending. is_all: whether no results follow. 0 if nothing matches; None if all M
    results are likely matches and more results follow.
    """
    end = int(np.count_nonzero(probabilities >= EVEN))
    return None if end == len(probabilities) and not is_all else end


def _why_none(collection: Collection, model_id: str, wish: RerankWish) -> str:
    if wish.wanted is False:
        return "probabilities of this model need re-ranking, which `rerank: false` disables; leave out one of the two"
    if collection.rerank is False:
        return f"collection {collection.id!r} is not re-ranked by default; add `rerank: true`"
    return f"model {model_id!r} has no matcher that re-ranks, and so no probabilities; leave it out"
