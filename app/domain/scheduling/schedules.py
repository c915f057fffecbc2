"""Schedules: the sources of a collection, and the times at which they are read again."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, StringConstraints, Tag, model_validator

from app.domain.naming.urls import is_url
from app.domain.scheduling.cron import Cron
from app.domain.scheduling.globs import has_magic
from app.domain.scheduling.stac_selection import StacSelection

MAX_SOURCES = 100

Where = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
OnVanished = Literal["keep", "remove"]


class Source(StacSelection):
    """Files on the server or on the web: exactly one of `path`, `glob` and `stac`, each an absolute path or a URL.

    path: a file, or a folder with everything below it; a URL must be of a file. glob: matching files; `**` is any number of
    folders; not supported for URLs. stac: an item collection (GeoJSON) or a catalogue whose items are indexed.
    labels_from_folders: label each file with the name of its folder. on_vanished: overrides the schedule's. The fields of a
    selection choose Items of `stac`.
    """

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
            raise ValueError(
                "labels_from_folders is not supported for stac; STAC items have their labels in the property `labels`"
            )
        if self.stac is None and self.selection:
            raise ValueError(f"{', '.join(self.selection)}: only for stac, of which they select items")
        return self

    @classmethod
    def of(cls, given: str | Source) -> Source:
        """A text is a glob if it is a path with a wildcard, else a path or URL."""
        if isinstance(given, Source):
            return given
        return cls(glob=given) if has_magic(given) and not is_url(given) else cls(path=given)

    @property
    def where(self) -> str:
        """The path, pattern or URL, without `file://`."""
        return (self.path or self.glob or self.stac or "").removeprefix("file://")


def _form(value: Any) -> str:
    return "text" if isinstance(value, str) else "source"


GivenSource = Annotated[Annotated[Where, Tag("text")] | Annotated[Source, Tag("source")], Discriminator(_form)]
"""A source as given by users, see `Source.of`. The discriminator limits validation errors to the form that was used."""


class Schedule(BaseModel):
    """A schedule as stored. Only users change it; the state of its runs is a `ScheduleState`.

    sources: as given. on_vanished: for tiles whose file is missing, `keep` sets the property `vanished_at`, `remove` deletes
    them with their images. updated: also the revision; due times count from it.
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
        """The due times."""
        return Cron(self.cron, self.timezone)


class Skipped(BaseModel):
    """A due time that was skipped. job: id of the run that was still active."""

    model_config = ConfigDict(frozen=True)

    due: datetime
    job: str


class ScheduleState(BaseModel):
    """The state of a schedule's runs.

    revision: `updated` of the schedule to which `since` belongs. since: instant after which due times count.
    last_run, last_job: time of submission and id of the newest run. skipped: the last skipped due time.
    """

    model_config = ConfigDict(frozen=True)

    revision: datetime
    since: datetime
    last_run: datetime | None = None
    last_job: str | None = None
    skipped: Skipped | None = None
