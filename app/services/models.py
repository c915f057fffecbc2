"""Which models there are, and whether one fits a collection."""

from __future__ import annotations

from collections.abc import Sequence

from app.domain.cards import ModelCard
from app.domain.collections import Band
from app.errors import ModelMismatch, NotFound
from app.ports import Inference, ModelProvider


class ModelService:
    """Models by id."""

    def __init__(self, provider: ModelProvider) -> None:
        self._provider = provider

    def cards(self) -> list[ModelCard]:
        """Cards of all models, the default first."""
        return self._provider.cards()

    def default(self) -> ModelCard:
        """The card of the model that a new collection gets."""
        return self._provider.cards()[0]

    def card(self, model_id: str) -> ModelCard:
        """The card of one model.

        Raises:
            NotFound: no such model.
        """
        cards = self._provider.cards()
        for card in cards:
            if card.id == model_id:
                return card
        raise NotFound(f"no model {model_id!r}; there are {', '.join(card.id for card in cards)}")

    def load(self, model_id: str) -> Inference:
        """The model, ready to embed.

        Raises:
            NotFound: no such model. InvalidBundle: its bundle does not fit.
        """
        return self._provider.load(model_id)

    def check_fit(self, model_id: str, bands: Sequence[Band] | None) -> ModelCard:
        """The card of a model that takes as many bands as the collection selects.

        Raises:
            ModelMismatch: it takes another number of bands. NotFound: no such model.
        """
        card = self.card(model_id)
        if bands is not None and len(bands) != len(card.bands):
            raise ModelMismatch(
                f"model {card.id!r} looks at {len(card.bands)} bands ({', '.join(card.bands)}), `bands` selects {len(bands)}; "
                f"select {len(card.bands)}, in that order (one may be named several times)"
            )
        return card
