"""Schedules: where a collection's tiles come from, and when that is looked at again."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, StringConstraints, Tag, model_validator

from app.domain.cron import Cron
from app.domain.globs import has_magic
from app.domain.urls import is_url

MAX_SOURCES = 100

Where = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
OnVanished = Literal["keep", "remove"]


class Source(BaseModel):
    """Files on the server or on the web: exactly one of `path`, `glob` and `stac`, each an absolute path or an address.

    path: a file, or a folder with all below it; on the web a file. glob: the files that it matches; `**` is any number of
    folders; not on the web. stac: an item collection (GeoJSON) or a catalogue, whose items are indexed.
    labels_from_folders: label each file by the folder that it lies in. on_vanished: instead of the schedule's.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Where | None = None
    glob: Where | None = None
    stac: Where | None = None
    labels_from_folders: bool = False
    on_vanished: OnVanished | None = None

    @model_validator(mode="after")
    def _check(self) -> Source:
        if sum(value is not None for value in (self.path, self.glob, self.stac)) != 1:
            raise ValueError("give exactly one of path, glob and stac")
        if self.stac is not None and self.labels_from_folders:
            raise ValueError("labels_from_folders is for files; STAC items carry their labels in the property `labels`")
        return self

    @classmethod
    def of(cls, given: str | Source) -> Source:
        """A text is a path, unless it is one on the server and has a wildcard: a glob."""
        if isinstance(given, Source):
            return given
        return cls(glob=given) if has_magic(given) and not is_url(given) else cls(path=given)

    @property
    def where(self) -> str:
        """The path, pattern or address, without `file://`."""
        return (self.path or self.glob or self.stac or "").removeprefix("file://")


def _form(value: Any) -> str:
    return "text" if isinstance(value, str) else "source"


GivenSource = Annotated[Annotated[Where, Tag("text")] | Annotated[Source, Tag("source")], Discriminator(_form)]
"""A source as people write it; `Source.of` says what a text means. What is wrong with one is said of the form that it has."""


class Schedule(BaseModel):
    """What somebody wants, as stored. Only they change it; what the runs leave is a `ScheduleState`.

    sources: as they were given. on_vanished: what happens to tiles whose file is no longer there: `keep` marks them with the
    property `vanished_at`, `remove` deletes them with their images. updated: also the revision; due times count from it.
    """

    model_config = ConfigDict(frozen=True)

    collection: str
    cron: str
    timezone: str = "UTC"
    sources: tuple[GivenSource, ...] = Field(min_length=1, max_length=MAX_SOURCES)
    on_vanished: OnVanished = "keep"
    paused: bool = False
    created: datetime
    updated: datetime

    @property
    def clock(self) -> Cron:
        """When it is due."""
        return Cron(self.cron, self.timezone)


class Skipped(BaseModel):
    """A due time that was left out. job: the run that was still active."""

    model_config = ConfigDict(frozen=True)

    due: datetime
    job: str


class ScheduleState(BaseModel):
    """What the runs of a schedule leave.

    revision: `updated` of the schedule that `since` belongs to. since: the instant after which due times count.
    last_run, last_job: when the newest run was submitted, and its id.
    """

    model_config = ConfigDict(frozen=True)

    revision: datetime
    since: datetime
    last_run: datetime | None = None
    last_job: str | None = None
    skipped: Skipped | None = None
