"""Documents of models."""

from __future__ import annotations

from pydantic import BaseModel, Field

from app.api.documents.base import JSON, Document, Link
from app.domain.models import Origin
from app.services.catalogue.models import Import, ModelInfo
from models.bundle.card import ModelCard
from models.bundle.terms import is_research_only, recorded_terms

ZIP = "application/zip"


class TermsPublic(BaseModel):
    """Training imagery, or weights that a training started from, with their licence or terms of use."""

    name: str
    terms: str
    source: str = Field(default="", description="A package, file or address")


class TrainingSetPublic(TermsPublic):
    """Training imagery with its licence or terms of use."""

    images: int | None = Field(default=None, description="Number of images used")


class ModelPublic(ModelCard):
    """A model card, with the state of the model in this service."""

    research_only: bool = Field(
        default=False,
        description="Whether the licence, or the terms of training data or starting weights, allow research use only",
    )
    training_sets: list[TrainingSetPublic] = Field(default=[], description="Empty if the card lists none")
    starting_weights: list[TermsPublic] = Field(default=[], description="Weights that the training started from")
    superseded_by: str | None = Field(
        description="The default model, if it is a bundled one that replaces this model: re-index collections with it"
    )

    default: bool = Field(description="New collections use this model; the same as `active`")
    active: bool
    origin: Origin = Field(description="Whether the model is built into the code, shipped with Dyad as a bundle, or imported")
    used_by: list[str] = Field(description="Identifiers of the collections that use the model")
    size_bytes: int = Field(description="Size of the files of the model")
    links: list[Link]


class ModelImported(ModelPublic):
    """An imported model."""

    unchanged: bool = Field(description="The service already had this bundle")


class ModelList(BaseModel):
    """All models, the default first."""

    models: list[ModelPublic]
    links: list[Link]


def model_document(info: ModelInfo, base: str) -> ModelPublic:
    """A model card with its links; `base` is the URL of the service."""
    return ModelPublic.model_validate(_model_fields(info, base))


def imported_document(done: Import, base: str) -> ModelImported:
    """An imported model."""
    return ModelImported.model_validate({**_model_fields(done.model, base), "unchanged": not done.is_new})


def _model_fields(info: ModelInfo, base: str) -> Document:
    """The fields of the document; those of the service override fields of the card with the same name."""
    here = f"{base}/models/{info.card.id}"
    record = recorded_terms(info.card)
    links = [Link(href=here, rel="self", type=JSON)]
    if info.entry.origin != "built-in":
        links.append(Link(href=f"{here}/bundle", rel="enclosure", type=ZIP))
    return {
        **info.card.model_dump(),
        "research_only": is_research_only(info.card),
        "training_sets": [each.model_dump() for each in record.training_sets],
        "starting_weights": [each.model_dump() for each in record.starting_weights],
        "superseded_by": info.superseded_by,
        "default": info.is_default,
        "active": info.is_default,
        "origin": info.entry.origin,
        "used_by": list(info.used_by),
        "size_bytes": info.entry.size,
        "links": links,
    }
