"""Documents of index versions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from app.api.documents.base import JSON, In, Link
from app.services.reindex.rollback import KeptIndex


class KeptIndexPublic(BaseModel):
    """An index version. `live`: searches use it by default. `size`: number of tiles while it was last live.

    `candidate`: it was never live, because the gate could not decide; a rollback to it switches anyway. `verdict`, `reason`,
    `gate`: result of the comparison when it was built, null if there was none.
    """

    version: str
    model: str
    size: int
    built_at: datetime
    live: bool
    candidate: bool = False
    verdict: str | None = None
    reason: str | None = None
    gate: dict[str, Any] | None = None


class IndexList(BaseModel):
    """The index versions of a collection, the newest first."""

    indexes: list[KeptIndexPublic]
    links: list[Link]


class Rollback(In):
    """Body of `POST /collections/{id}/rollback`; optional."""

    version: str | None = Field(
        default=None,
        examples=["dyad-rgb-128.1"],
        description="A previous one or a candidate; default: the one before the current one",
    )
    force: bool = Field(default=False, description="Leave out newer tiles whose image cannot be read")


def index_list(kept: Sequence[KeptIndex], collection_id: str, base: str) -> IndexList:
    """The index versions with their links; `base` is the URL of the service."""
    here = f"{base}/collections/{collection_id}"
    links = [Link(href=f"{here}/indexes", rel="self", type=JSON), Link(href=here, rel="collection", type=JSON)]
    return IndexList(indexes=[_document(index) for index in kept], links=links)


def _document(index: KeptIndex) -> KeptIndexPublic:
    outcome = index.outcome or {}
    return KeptIndexPublic(
        version=index.name.version,
        model=index.name.model,
        size=index.size,
        built_at=index.built_at,
        live=index.is_live,
        candidate=index.is_candidate,
        verdict=outcome.get("verdict"),
        reason=outcome.get("reason"),
        gate=outcome.get("gate"),
    )
