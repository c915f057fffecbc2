"""What is known of an index beside its points: its name, and how it came to be."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict


@dataclass(frozen=True, slots=True)
class Live:
    """An index that answers: its name, its model's id, and its version (`{model}.{n}`, the name behind the collection id)."""

    index: str
    model: str
    version: str

    @classmethod
    def of(cls, index: str) -> Live:
        """From the index's name, `{collection}.{model}.{n}`; collection ids have no dots, model ids may."""
        version = index.split(".", 1)[1]
        return cls(index, version.rsplit(".", 1)[0], version)


class IndexRecord(BaseModel):
    """A note on an index, kept from before it is made until after it is dropped.

    built_at: when it became whole, None while it is being built. job: which job builds it. size: number of tiles when it was
    last written. outcome: result of the job that built it.
    """

    model_config = ConfigDict(frozen=True)

    index: str
    built_at: datetime | None = None
    job: str | None = None
    size: int = 0
    outcome: dict[str, Any] | None = None

    @property
    def name(self) -> Live:
        """The name's parts."""
        return Live.of(self.index)
