"""The second stage of a search: whether the matcher looks at the first candidates, at how many, and what it says of them."""

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
"""Candidates where neither the caller nor the card says."""
UNLEARNED = 0.05
"""The matcher's weight where somebody asks for it and its card has none; `dyad evaluate` takes the same."""
SAME = 1 - 2e-6
"""The cosine, of 6 decimals, from which a candidate shows the very picture that was asked with."""
EVEN = 0.5
"""The probability above which a pair is more likely to match than not."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A re-ranking. depth: of candidates. is_wish: somebody asked for it, so that it must not be left out silently."""

    model: Inference
    depth: int
    weight: float
    calibration: Calibration | None
    budget_ms: float | None
    is_wish: bool

    @property
    def summary(self) -> Reranking:
        """For the answer."""
        return Reranking(self.depth, self.weight, self.budget_ms)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the matcher says of M candidates. scores: (M,) float64, `cosine + weight * log_odds`, rounded to 6 decimals.
    probabilities: (M,) float64 of a match, 0..1, None for a matcher that was not calibrated."""

    scores: NDArray[np.float64]
    probabilities: NDArray[np.float64] | None


class Reranker:
    """Plans re-rankings and carries them out."""

    def __init__(self, models: ModelService) -> None:
        self._models = models
        self._latency = RerankLatency()

    def plan(self, collection: Collection, model_id: str, query: SearchQuery, examples: int) -> Plan | None:
        """How a search is re-ranked; None if it is not. examples: how many each candidate is compared with.

        Raises:
            InvalidInput: a depth, a time or a probability is asked for where there is no matcher or it is left out.
        """
        plan = self._plan(collection, model_id, query, examples)
        if query.min_probability is not None:
            if plan is None:
                raise InvalidInput(f"min_probability: {_why_none(collection, model_id, query.rerank)}")
            if plan.calibration is None:
                raise InvalidInput(f"min_probability: the matcher of model {model_id!r} was not calibrated; leave it out")
        return plan

    def judge(
        self,
        plan: Plan,
        halves: NDArray[np.float32],
        pairs: NDArray[np.uint8],
        similarities: NDArray[np.float64],
        cosines: NDArray[np.float64],
    ) -> Judgement:
        """Compare every example with every candidate; log-odds are averaged over the examples.

        A matcher learns from pairs of different pictures and knows nothing special of a picture and itself: the very same one
        gets the best log-odds that there are, and is certain to match.

        halves: (E, P) float32 of the examples. pairs: (M, P) uint8 of the candidates. similarities: (M,) to the query's
        direction, which the score is made of. cosines: (M,) to the examples, averaged, which the probability is made of.
        """
        start = time.perf_counter()
        said = np.stack([plan.model.log_odds(half, pairs) for half in halves])  # (E, M)
        self._latency.note(plan.model.card.id, len(pairs) * len(halves), (time.perf_counter() - start) * 1000)
        is_same = cosines >= SAME
        log_odds = said.mean(axis=0, dtype=np.float64)
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
                raise InvalidInput(f"rerank: model {model_id!r} has no matcher to re-rank with; leave `rerank` out")
            return None
        self._latency.prime(model)
        fusion = matcher.fusion
        has_a_say = (fusion is not None and fusion.weight > 0) or matcher.calibration is not None
        if not is_wish and not has_a_say:
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
        """The model; None where it cannot be had and nobody asked for it: its vectors still answer."""
        try:
            return self._models.load(model_id)
        except (NotFound, InvalidBundle) as error:
            if is_wish:
                raise
            log.warning("not re-ranked: %s", error)
            return None


def matches_end(probabilities: NDArray[np.float64], is_all: bool) -> int | None:
    """How many places, from the first, belong to the matches: the k with the largest sum of `probability - 0.5` over k places.

    probabilities: (M,) in rank order. is_all: nothing comes behind. 0 if nothing matches; None if the places hold no end.
    """
    gains = np.concatenate([[0.0], np.cumsum(probabilities - EVEN)])
    end = int(np.argmax(gains))
    return None if end == len(probabilities) and not is_all else end


def _why_none(collection: Collection, model_id: str, wish: RerankWish) -> str:
    if wish.wanted is False:
        return "probabilities come from re-ranking, which `rerank: false` leaves out; give one of them"
    if collection.rerank is False:
        return f"collection {collection.id!r} is not re-ranked unless asked for; add `rerank: true`"
    return f"model {model_id!r} has no matcher that ranks, and so no probabilities; leave it out"
