"""Documents of few-shot classes and of suggestions."""

from __future__ import annotations

from dataclasses import asdict

from pydantic import BaseModel, Field

from app.api.documents.base import Document
from app.api.documents.catalogue.items import feature, feature_collection
from app.api.links import Place
from app.services.classes.classes import TileClasses
from app.services.classes.suggestions import Suggestion, Suggestions


class ClassPublic(BaseModel):
    """A label of the collection as a class of the tile."""

    label: str
    probability: float = Field(ge=0, le=1)
    examples: int = Field(description="Number of labelled tiles that were compared")


class ClassQualityPublic(BaseModel):
    """Measured on the labelled tiles, each without the labels of its place, and without those of its class."""

    auroc: float = Field(description="Of known against left-out classes by the probability of none of these; 0.5 is chance")
    accuracy: float = Field(description="Share of labelled tiles whose most likely class is right")
    queries: int = Field(description="Number of labelled tiles that were classified")


class TileClassesPublic(BaseModel):
    """Class probabilities of a tile. The probabilities and `none_of_these` sum to 1."""

    item_id: str
    classes: list[ClassPublic] = Field(description="The most likely class first")
    none_of_these: float = Field(ge=0, le=1, description="Probability that the tile is of no labelled class")
    quality: ClassQualityPublic | None = Field(description="Null with too few labelled tiles")
    model: str
    index_version: str
    notes: list[str] = Field(description="What limits these probabilities")


def classes_document(item_id: str, found: TileClasses) -> TileClassesPublic:
    """The classes of a tile."""
    return TileClassesPublic(
        item_id=item_id,
        classes=[ClassPublic(**{**asdict(each), "probability": round(each.probability, 6)}) for each in found.classes],
        none_of_these=round(found.none, 6),
        quality=None if found.quality is None else ClassQualityPublic(**asdict(found.quality)),
        model=found.model,
        index_version=found.index_version,
        notes=list(found.notes),
    )


def suggestions_document(found: Suggestions, here: Place, links: list[Document]) -> Document:
    """Suggestions as GeoJSON, in the form of search answers. here: URL of the collection."""
    features = [_feature(each, rank, here) for rank, each in enumerate(found.tiles, 1)]
    more: Document = {"model": found.model, "index_version": found.index_version}
    return feature_collection(features, found.examined, links, **more)


def _feature(each: Suggestion, rank: int, here: Place) -> Document:
    guess: Document = {}
    if each.label is not None and each.probability is not None and each.none is not None:
        guess = {
            "likely_label": each.label,
            "likely_label_probability": round(each.probability, 6),
            "none_of_these": round(each.none, 6),
        }
    return feature(each.tile, here, rank=rank, score=round(each.value, 6), **guess)
