"""How a collection and its model want their tiles cut."""

from __future__ import annotations

from app.domain.collections import Collection
from app.imagery.tiling.tiler import CutSpec
from models.bundle.card import ModelCard


def cut_spec(collection: Collection, card: ModelCard, max_pixels: int) -> CutSpec:
    """The cut of a collection's files for a model."""
    return CutSpec(
        tile_size=collection.tile_size,
        stride=collection.stride,
        bands=collection.bands,
        band_count=len(card.bands),
        scaling=collection.scaling,
        input_size=card.input_size,
        max_pixels=max_pixels,
    )
