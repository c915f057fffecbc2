"""Chooses how the vectors of an index are converted to those of another model."""

from __future__ import annotations

from app.domain.indexes import Live
from app.errors import NotFound
from app.ports import Blobs, Inference
from app.services.catalogue.collections import CollectionService
from app.services.catalogue.models import ModelService
from app.services.catalogue.tile_settings import cut_spec
from app.services.reindex.vector_sources import Embedding, VectorSource, choose_vector_source


class VectorSourceChoice:
    """Opens vector sources. max_pixels: DYAD_MAX_PIXELS. threads: number of threads that read images."""

    def __init__(
        self, collections: CollectionService, models: ModelService, blobs: Blobs, max_pixels: int, threads: int
    ) -> None:
        self._collections = collections
        self._models = models
        self._blobs = blobs
        self._max_pixels = max_pixels
        self._threads = threads

    def open(self, collection_id: str, live: Live, model: Inference) -> VectorSource:
        """The vector source of a model for the tiles of an index; the caller closes it.

        For the index's own model it embeds all tiles again, because that is the purpose of such a re-index.
        """
        spec = cut_spec(self._collections.get(collection_id), model.card, self._max_pixels)
        images = Embedding(model, spec, self._blobs, self._threads)
        try:
            old = None if live.model == model.card.id else self._models.card(live.model)
        except NotFound:
            old = None
        return choose_vector_source(old, model, images)
