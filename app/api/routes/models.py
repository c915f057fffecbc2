"""The models at hand."""

from __future__ import annotations

from fastapi import APIRouter, Request

from app.api.deps import ModelsDep
from app.api.documents import base_url, model_document, page_links
from app.api.schemas import Link, ModelList, ModelPublic

router = APIRouter(prefix="/models", tags=["models"])


@router.get("", summary="All models")
def list_models(request: Request, models: ModelsDep) -> ModelList:
    """Model cards, the default first."""
    default = models.default().id
    documents = [model_document(card, base_url(request), card.id == default) for card in models.cards()]
    return ModelList(models=documents, links=[Link(**item) for item in page_links(request)])


@router.get("/{model_id}", summary="One model")
def read(model_id: str, request: Request, models: ModelsDep) -> ModelPublic:
    """A model card."""
    return model_document(models.card(model_id), base_url(request), model_id == models.default().id)
