"""The terms of use that apply to a model."""

from __future__ import annotations

from typing import Any

import pytest

from models.bundle.card import ModelCard
from models.bundle.terms import is_research_only, recorded_terms


def card(**fields: Any) -> ModelCard:
    return ModelCard.model_validate({"id": "a", "input_size": 64, "bands": ["grey"], "dimension": 8, **fields})


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, False),
        ({"licence": "Apache-2.0"}, False),
        ({"licence": "research use, as part of its training data is"}, True),
        ({"licence": "CC BY-NC, non-commercial"}, True),
        ({"licence": "Apache-2.0", "training_sets": [{"name": "AID", "terms": "Research use only"}]}, True),
        ({"licence": "Apache-2.0", "starting_weights": [{"name": "W", "terms": "for research purposes"}]}, True),
        ({"licence": "not for research use", "research_only": False}, False),
        ({"licence": "see the terms", "research_only": True}, True),
        ({"training_sets": "malformed"}, False),
    ],
)
def test_research_only_follows_the_card_then_the_texts(fields: dict[str, Any], expected: bool) -> None:
    assert is_research_only(card(**fields)) is expected


def test_terms_are_read_from_the_card() -> None:
    found = recorded_terms(card(starting_weights=[{"name": "W", "terms": "Apache-2.0", "source": "package w"}]))
    assert [(each.name, each.terms, each.source) for each in found.starting_weights] == [("W", "Apache-2.0", "package w")]
    assert recorded_terms(card(training_sets=7)).training_sets == ()
