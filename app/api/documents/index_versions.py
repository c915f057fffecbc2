"""What clients see of a collection's indexes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel, Field

from app.api.documents.resources import JSON
from app.api.documents.schemas import In, Link
from app.services.reindex.rollback import KeptIndex


class KeptIndexPublic(BaseModel):
    """An index that can be asked. size: number of tiles; of one that is not live, when it last was."""

    version: str
    model: str
    size: int
    built_at: datetime
    live: bool


class IndexList(BaseModel):
    """The indexes of a collection, the newest first."""

    indexes: list[KeptIndexPublic]
    links: list[Link]


class Rollback(In):
    """Body of `POST /collections/{id}/rollback`, which may be left out.

    version: the index to go back to; the one built before the live one, if not given. force: leave out tiles that were indexed
    since then and whose images cannot be read.
    """

    version: str | None = Field(default=None, examples=["dyad-rgb-128.1"])
    force: bool = False


def index_list(kept: Sequence[KeptIndex], collection_id: str, base: str) -> IndexList:
    """The indexes with their links."""
    here = f"{base}/collections/{collection_id}"
    links = [Link(href=f"{here}/indexes", rel="self", type=JSON), Link(href=here, rel="collection", type=JSON)]
    indexes = [
        KeptIndexPublic(
            version=index.name.version, model=index.name.model, size=index.size, built_at=index.built_at, live=index.is_live
        )
        for index in kept
    ]
    return IndexList(indexes=indexes, links=links)
