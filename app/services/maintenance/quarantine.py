"""The list of own data that nothing refers to: since when, and why. Nothing is moved; what is needed again leaves the list."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from app.errors import NotFound
from app.ports import Blobs

KEY = "maintenance/quarantine.json"


class Quarantined(BaseModel):
    """A collection without settings, or an index that is neither complete nor being built. since: when it was first found."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["collection", "index"]
    name: str
    reason: str
    since: datetime

    @property
    def id(self) -> str:
        """Kind and name."""
        return f"{self.kind}/{self.name}"


class _Document(BaseModel):
    entries: tuple[Quarantined, ...] = ()


class Quarantine:
    """The list, one document in the blob store."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs

    def entries(self) -> tuple[Quarantined, ...]:
        """All entries. A damaged list counts as empty, so that all grace periods begin again."""
        try:
            return _Document.model_validate_json(self._blobs.get(KEY)).entries
        except (NotFound, ValidationError):
            return ()

    def update(self, found: Iterable[Quarantined]) -> tuple[Quarantined, ...]:
        """Replace the list by what was found now; an entry that was known keeps its time."""
        before = self.entries()
        known = {entry.id: entry.since for entry in before}
        since = ((entry, min(known.get(entry.id, entry.since), entry.since)) for entry in found)
        entries = tuple(entry.model_copy(update={"since": first}) for entry, first in since)
        if entries != before:
            self._blobs.put(KEY, _Document(entries=entries).model_dump_json().encode())
        return entries
