"""The licence of a model, and the advice to replace an older bundled model, as commands print them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.cli.options import Target
from app.client.core import Document

if TYPE_CHECKING:
    from app.cli.client.client import Client

RESEARCH_ONLY = "research use only"


def licence_of(model: Document) -> str:
    """The licence of a model in one line, which begins with "research use only" if that is so."""
    licence = str(model["licence"])
    if not model["research_only"]:
        return licence
    return f"{RESEARCH_ONLY}; {licence}" if licence and licence != RESEARCH_ONLY else RESEARCH_ONLY


def find_model(dyad: Client, model_id: str) -> Document | None:
    """The model with this id; None if it is not available, for example because its bundle is damaged."""
    return next((model for model in dyad.models() if model["id"] == model_id), None)


def reindex_hint(collection: str, model: Document, target: Target) -> str:
    """The advice to re-index a collection whose model is superseded; "" if the model is not superseded."""
    new = model["superseded_by"]
    if new is None:
        return ""
    return (
        f"hint: {collection} uses {model['id']}; {new} finds better neighbours on imagery it was not trained on. To re-index: "
        f"dyad reindex {collection} --model {new}{target.as_options()}"
    )
