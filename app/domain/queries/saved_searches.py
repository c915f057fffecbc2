"""Saved searches: a search with an id and a title, pinned to an index version."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

PREFIX = "search-"
"""The ids of saved searches begin with it."""


class SavedSearch(BaseModel):
    """A saved search.

    query: body of the search, without its page. has_image: whether an uploaded image is stored with it.
    index_version, model: of the index on which it was saved.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    collection: str
    title: str = ""
    query: dict[str, Any] = Field(default_factory=dict)
    has_image: bool = False
    model: str
    index_version: str
    created: datetime
