"""The cut of files into tiles for a collection and a model."""

from __future__ import annotations

from app.domain.collections import Collection
from app.imagery.tiling.tiler import CutSpec
from models.bundle.card import ModelCard


def cut_spec(collection: Collection, card: ModelCard, max_pixels: int) -> CutSpec:
    """How a collection's files are cut into tiles for a model."""
    return CutSpec(
        tile_size=collection.tile_size,
        stride=collection.stride,
        bands=collection.bands,
        band_count=len(card.bands),
        scaling=collection.scaling,
        input_size=card.input_size,
        max_pixels=max_pixels,
        band_names=tuple(card.bands),
    )
