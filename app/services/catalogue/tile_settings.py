"""The cut of files into tiles for a collection and a model."""

from __future__ import annotations

from app.domain.collections import BandList, Collection, Scaling
from app.imagery.tiling.tiler import CutSpec
from models.bundle.card import ModelCard


def cut_spec(collection: Collection, card: ModelCard, max_pixels: int) -> CutSpec:
    """How a collection's files are cut into tiles for a model."""
    return spec_of(card, max_pixels, collection.tile_size, collection.stride, collection.bands, collection.scaling)


def spec_of(card: ModelCard, max_pixels: int, tile_size: int, stride: int, bands: BandList | None, scaling: Scaling) -> CutSpec:
    """How files are cut into tiles for a model with these settings of a collection."""
    return CutSpec(
        tile_size=tile_size,
        stride=stride,
        bands=bands,
        band_count=len(card.bands),
        scaling=scaling,
        input_size=card.input_size,
        max_pixels=max_pixels,
        band_names=tuple(card.bands),
    )
