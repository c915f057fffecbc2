"""The model of a collection whose embeddings were made elsewhere: it has a dimension, and cannot embed anything."""

from __future__ import annotations

from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from app.domain.external_vectors import vectors_dimension
from app.domain.models import ModelEntry
from app.errors import ModelMismatch
from models.bundle.card import ModelCard


def external_card(model_id: str) -> ModelCard | None:
    """The card of a model `vectors-D`; None for another id."""
    dimension = vectors_dimension(model_id)
    if dimension is None:
        return None
    return ModelCard(
        id=model_id,
        title=f"Imported embeddings of dimension {dimension}",
        description="Embeddings of another model, imported with their places and without images: searched by item, place or "
        "vector.",
        kind="vectors",
        input_size=256,
        bands=("red", "green", "blue"),
        dimension=dimension,
    )


def external_entry(card: ModelCard) -> ModelEntry:
    """The entry of such a model in lists."""
    return ModelEntry(card, "built-in", 0)


class ExternalModel:
    """The `Inference` port of a model that is not here."""

    def __init__(self, card: ModelCard) -> None:
        self._card = card

    @property
    def card(self) -> ModelCard:
        """Its dimension."""
        return self._card

    def embed(self, tiles: NDArray[np.uint8]) -> NoReturn:
        """Always raises.

        Raises:
            ModelMismatch: the model is not here.
        """
        raise ModelMismatch(
            f"model {self._card.id!r} stands for imported embeddings and cannot embed images: search by item, place or vector"
        )

    def examine(self, tiles: NDArray[np.uint8]) -> NoReturn:
        """As `embed`."""
        self.embed(tiles)

    def project(self, features: NDArray[np.float16]) -> None:
        """None: there are no features."""

    def log_odds(self, query: NDArray[np.float32], candidates: NDArray[np.uint8]) -> NoReturn:
        """Always raises `ModelMismatch`: there is no matcher."""
        raise ModelMismatch(f"model {self._card.id!r} has no matcher")

    def places(self, query: NDArray[np.float32], candidates: NDArray[np.uint8]) -> None:
        """None: there is no matcher."""

    def close(self) -> None:
        """Nothing to release."""
