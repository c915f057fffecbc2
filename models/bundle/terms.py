"""The terms of use that apply to a model: of its licence, of its training data, of the weights that it started from."""

from __future__ import annotations

import re

from models.bundle.card import ModelCard
from models.bundle.errors import BundleError
from models.bundle.trained_card import StartingWeights, TrainingRecord, TrainingSet, training_record

_RESEARCH = re.compile(r"\bresearch[ -](use|only|purposes?)\b|\bnon-?commercial\b", re.IGNORECASE)


def recorded_terms(card: ModelCard) -> TrainingRecord:
    """The training sets and starting weights of a card; empty if the card has none, or malformed ones."""
    try:
        return training_record(card)
    except BundleError:
        return TrainingRecord()


def is_research_only(card: ModelCard) -> bool:
    """Whether a model may be used for research only.

    The card's `research_only` decides. Without it, the texts decide: the licence and the terms of training sets and starting
    weights are searched for "research use" and similar words.
    """
    if card.research_only is not None:
        return card.research_only
    record = recorded_terms(card)
    parts: tuple[TrainingSet | StartingWeights, ...] = (*record.training_sets, *record.starting_weights)
    return any(_RESEARCH.search(text) for text in (card.licence, *(part.terms for part in parts)))
