"""Models as clients see them."""

from __future__ import annotations

from pydantic import BaseModel

from app.api.documents.resources import JSON, Document
from app.api.documents.schemas import Link
from app.domain.models import Origin
from app.services.catalogue.models import Import, ModelInfo
from models.bundle.card import ModelCard

ZIP = "application/zip"


class ModelPublic(ModelCard):
    """A model card, and what the service knows of the model.

    default, active: a new collection gets it (one thing under two names). origin: a bundle that comes with Dyad, code of
    Dyad's own, or a bundle that somebody added. used_by: ids of the collections that need it. size_bytes: of its files.
    """

    default: bool
    active: bool
    origin: Origin
    used_by: list[str]
    size_bytes: int
    links: list[Link]


class ModelImported(ModelPublic):
    """An imported model; unchanged: the very same bundle was there already."""

    unchanged: bool


class ModelList(BaseModel):
    """All models, the default first."""

    models: list[ModelPublic]
    links: list[Link]


def model_document(info: ModelInfo, base: str) -> ModelPublic:
    """A model card with its links."""
    return ModelPublic.model_validate(_model_fields(info, base))


def imported_document(done: Import, base: str) -> ModelImported:
    """An imported model."""
    return ModelImported.model_validate({**_model_fields(done.model, base), "unchanged": not done.is_new})


def _model_fields(info: ModelInfo, base: str) -> Document:
    """The card first: a card may have fields of any name, which must not pass for the service's."""
    here = f"{base}/models/{info.card.id}"
    links = [Link(href=here, rel="self", type=JSON)]
    if info.entry.origin != "built-in":
        links.append(Link(href=f"{here}/bundle", rel="enclosure", type=ZIP))
    return {
        **info.card.model_dump(),
        "default": info.is_default,
        "active": info.is_default,
        "origin": info.entry.origin,
        "used_by": list(info.used_by),
        "size_bytes": info.entry.size,
        "links": links,
    }
