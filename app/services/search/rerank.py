"""The second stage of a search: how many candidates the matcher re-ranks, and their scores and probabilities."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.domain.collections import Collection
from app.domain.search import Reranking, RerankWish, SearchQuery
from app.errors import InvalidBundle, InvalidInput, NotFound
from app.ports import Inference
from app.services.catalogue.models import ModelService
from app.services.search.rerank_latency import RerankLatency
from models.bundle.card import Calibration

log = logging.getLogger(__name__)

DEPTH = 100
"""Number of candidates where neither the request nor the model card gives one."""
UNLEARNED = 0.05
"""Weight of the matcher where re-ranking is requested and the card has no weight; `dyad evaluate` uses the same value."""
SAME = 1 - 2e-6
"""Cosine (6 decimals) from which a candidate counts as the same image as the example."""
EVEN = 0.5
"""The probability above which a pair is more likely to match than not."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a search is re-ranked. depth: number of candidates. is_wish: it was requested, so an error must not skip it."""

    model: Inference
    depth: int
    weight: float
    calibration: Calibration | None
    budget_ms: float | None
    is_wish: bool

    @property
    def summary(self) -> Reranking:
        """The part of the plan that the search result contains."""
        return Reranking(self.depth, self.weight, self.budget_ms)


@dataclass(frozen=True, slots=True)
class Judgement:
    """Result of the matcher for M candidates.

    scores: (M,) float64, `cosine + weight * log_odds`, rounded to 6 decimals. probabilities: (M,) float64 match probabilities,
    0..1, None if the matcher is not calibrated.
    """

    scores: NDArray[np.float64]
    probabilities: NDArray[np.float64] | None


class Reranker:
    """Decides how a search is re-ranked, and re-ranks."""

    def __init__(self, models: ModelService) -> None:
        self._models = models
        self._latency = RerankLatency()

    def plan(self, collection: Collection, model_id: str, query: SearchQuery, examples: int) -> Plan | None:
        """How a search is re-ranked; None if it is not. examples: number of examples with which each candidate is compared.

        Raises:
            InvalidInput: a depth, a time budget or a probability is requested where the search is not re-ranked.
        """
        plan = self._plan(collection, model_id, query, examples)
        if query.min_probability is not None:
            if plan is None:
                raise InvalidInput(f"min_probability: {_why_none(collection, model_id, query.rerank)}")
            if plan.calibration is None:
                raise InvalidInput(f"min_probability: the matcher of model {model_id!r} is not calibrated; leave it out")
        return plan

    def matching_model(self, model_id: str) -> Inference | None:
        """The model; None if it cannot be loaded or has no matcher."""
        model = self._model(model_id, is_wish=False)
        return None if model is None or model.card.matcher is None else model

    def judge(
        self,
        plan: Plan,
        query_features: NDArray[np.float32],
        pairs: NDArray[np.uint8],
        similarities: NDArray[np.float64],
        cosines: NDArray[np.float64],
    ) -> Judgement:
        """Compare every example with every candidate, and average the log-odds over the examples.

        The matcher was trained on pairs of different images, so its log-odds mean nothing for an image and itself: a candidate
        with the same image gets the best log-odds of all candidates and probability 1.

        query_features: (E, P) float32 of the examples. pairs: (M, P) uint8 candidate features. similarities: (M,) cosine to the
        query's direction, used for the score. cosines: (M,) mean cosine to the examples, used for the probability.
        """
        start = time.perf_counter()
        by_example = np.stack([plan.model.log_odds(features, pairs) for features in query_features])  # (E, M)
        self._latency.note(plan.model.card.id, len(pairs) * len(query_features), (time.perf_counter() - start) * 1000)
        is_same = cosines >= SAME
        log_odds = by_example.mean(axis=0, dtype=np.float64)
        log_odds = np.where(is_same, log_odds.max(initial=-np.inf), log_odds)
        scores = np.round(similarities + plan.weight * log_odds, 6)
        fit = plan.calibration
        if fit is None:
            return Judgement(scores, None)
        total = fit.scale * log_odds + fit.slope * cosines + fit.offset
        chances = np.exp(-np.logaddexp(0, -total))  # the sigmoid, finite at both ends
        return Judgement(scores, np.where(is_same, 1.0, chances))

    def _plan(self, collection: Collection, model_id: str, query: SearchQuery, examples: int) -> Plan | None:
        wish, begun = query.rerank, query.after
        is_wish = wish.wanted is True or wish.depth is not None or wish.budget_ms is not None
        if wish.wanted is False or (begun is not None and begun.depth == 0):
            return None
        if collection.rerank is False and not is_wish:
            return None
        model = self._model(model_id, is_wish)
        matcher = None if model is None else model.card.matcher
        if model is None or matcher is None:
            if wish.depth is not None or wish.budget_ms is not None:
                raise InvalidInput(f"rerank: model {model_id!r} has no matcher to re-rank with; leave out `rerank`")
            return None
        self._latency.prime(model)
        fusion = matcher.fusion
        is_used = (fusion is not None and fusion.weight > 0) or matcher.calibration is not None
        if not is_wish and not is_used:
            return None
        if begun is not None:
            depth = begun.depth
        elif wish.budget_ms is not None:
            depth = self._latency.depth(model, wish.budget_ms, examples)
        else:
            depth = wish.depth or (DEPTH if fusion is None else fusion.depth)
        weight = UNLEARNED if fusion is None else fusion.weight
        return Plan(model, depth, weight, matcher.calibration, wish.budget_ms, is_wish)

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
    """Number of leading results that are likely matches: the k that maximises the sum of `probability - 0.5` over k results.

    probabilities: (M,) in rank order. is_all: whether no results follow. 0 if nothing matches; None if all M results are likely
    matches and more results follow.
    """
    gains = np.concatenate([[0.0], np.cumsum(probabilities - EVEN)])
    end = int(np.argmax(gains))
    return None if end == len(probabilities) and not is_all else end


def _why_none(collection: Collection, model_id: str, wish: RerankWish) -> str:
    if wish.wanted is False:
        return "probabilities need re-ranking, which `rerank: false` disables; leave out one of the two"
    if collection.rerank is False:
        return f"collection {collection.id!r} is not re-ranked by default; add `rerank: true`"
    return f"model {model_id!r} has no matcher that re-ranks, and so no probabilities; leave it out"
