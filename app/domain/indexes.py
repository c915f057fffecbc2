"""The name of an index, and the record of its build."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict


@dataclass(frozen=True, slots=True)
class Live:
    """An index that can be searched. index: its name. model: id of its model. version: `{model}.{n}`, the end of the name."""

    index: str
    model: str
    version: str

    @classmethod
    def of(cls, index: str) -> Live:
        """Parse an index name `{collection}.{model}.{n}`; collection ids contain no dots, model ids may."""
        version = index.split(".", 1)[1]
        return cls(index, version.rsplit(".", 1)[0], version)


class IndexRecord(BaseModel):
    """The record of an index, stored from before it is created until after it is dropped.

    built_at: when it was completed, None while it is being built. job: id of the job that builds it. size: number of tiles when
    the record was last written. outcome: result of the job that built it.
    """

    model_config = ConfigDict(frozen=True)

    index: str
    built_at: datetime | None = None
    job: str | None = None
    size: int = 0
    outcome: dict[str, Any] | None = None

    @property
    def is_candidate(self) -> bool:
        """Whether it was built, but never live, because the gate could not decide."""
        return self.outcome is not None and self.outcome.get("switched") is False

    @property
    def name(self) -> Live:
        """The parts of the name."""
        return Live.of(self.index)
