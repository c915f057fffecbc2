"""Previous indexes that are kept, and the rollback to one of them."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.domain.indexes import Live
from app.domain.jobs import ACTIVE
from app.errors import Conflict
from app.ports import JobStore, VectorStore
from app.services.catalogue.collections import CollectionService
from app.services.catalogue.indexes import Indexes
from app.services.catalogue.models import ModelService
from app.services.reindex.index_build import IndexBuild
from app.services.reindex.source_choice import VectorSourceChoice

WRITING = ("ingest", "reindex", "sync")
"""Kinds of jobs that write the points of a collection."""
MAX_EMBEDDED = 2000
"""Maximum number of tiles that a rollback embeds, because its caller waits."""


@dataclass(frozen=True, slots=True)
class KeptIndex:
    """An index that can be searched. size: number of tiles when it was last live. is_candidate: never live,
    because the gate could not decide. outcome: result of the job that built it, None if unknown.
    """

    name: Live
    size: int
    built_at: datetime
    is_live: bool
    is_candidate: bool = False
    outcome: dict[str, Any] | None = None


class RollbackService:
    """Rolls collections back to previous indexes."""

    def __init__(
        self,
        *,
        collections: CollectionService,
        indexes: Indexes,
        models: ModelService,
        vectors: VectorStore,
        jobs: JobStore,
        source_choice: VectorSourceChoice,
    ) -> None:
        self._collections = collections
        self._indexes = indexes
        self._models = models
        self._vectors = vectors
        self._jobs = jobs
        self._source_choice = source_choice

    def kept(self, collection_id: str) -> list[KeptIndex]:
        """The indexes of a collection that can be searched, newest first.

        Raises:
            NotFound: no such collection.
        """
        live = self._collections.live(collection_id)
        size = self._vectors.stats(live.index).size
        records = {record.index: record for record in self._indexes.whole(collection_id)}
        built_at = self._built_at(collection_id, live)
        own = records.get(live.index)
        found = [KeptIndex(live, size, built_at, is_live=True, outcome=None if own is None else own.outcome)]
        for record in records.values():
            if record.index != live.index and record.built_at is not None:
                found.append(KeptIndex(record.name, record.size, record.built_at, False, record.is_candidate, record.outcome))
        return sorted(found, key=lambda kept: kept.built_at, reverse=True)

    def rollback(self, collection_id: str, version: str | None = None, *, force: bool = False) -> Live:
        """Make a kept index live. version: by default the newest previous version older than the live one; a candidate must be
        named.

        Labels, properties and deletions since then are applied to it, and tiles indexed since then are embedded by its model.
        force: leave out tiles whose images cannot be read.

        Raises:
            NotFound: the collection, or the version. Conflict: there is no older index, a job is writing, or more than
                `MAX_EMBEDDED` tiles must be embedded. DyadError: images cannot be read; the message names them.
        """
        live = self._collections.live(collection_id)
        back = self._older(collection_id, live) if version is None else self._collections.live(collection_id, version)
        if back == live:
            return live
        self._refuse_while_writing(collection_id)

        def check() -> None:
            if build.made["embedded"] > MAX_EMBEDDED:
                raise Conflict(
                    f"more than {MAX_EMBEDDED} tiles were indexed since {back.version} was live: re-index collection "
                    f"{collection_id!r} with model {back.model!r} instead"
                )

        with closing(self._source_choice.open(collection_id, live, self._models.load(back.model))) as vector_source:
            build = IndexBuild(
                self._vectors, live.index, back.index, vector_source, check=check, saved=lambda: None, is_forced=force
            )
            build.settle()
            with self._collections.writing(collection_id) as still:
                self._refuse_while_writing(collection_id)
                if still != live:
                    raise Conflict(
                        f"collection {collection_id!r} was switched to {still.version} during the rollback; try again"
                    )
                build.settle()
                self._indexes.retire(live.index, self._collections.get(collection_id).created)
                self._indexes.accept(back.index)
                return self._collections.switch(collection_id, back.index)

    def _older(self, collection_id: str, live: Live) -> Live:
        kept = [index for index in self.kept(collection_id) if not index.is_candidate]
        place = next(number for number, index in enumerate(kept) if index.is_live)
        if place + 1 == len(kept):
            newer = ", ".join(index.name.version for index in kept[:place]) or "none"
            raise Conflict(
                f"collection {collection_id!r} has no index version older than {live.version}; newer versions: {newer}"
            )
        return kept[place + 1].name

    def _built_at(self, collection_id: str, live: Live) -> datetime:
        record = self._indexes.record(live.index)
        known = None if record is None else record.built_at
        return known or self._collections.get(collection_id).created

    def _refuse_while_writing(self, collection_id: str) -> None:
        active = self._jobs.list(collection=collection_id, status=ACTIVE, limit=1000)
        busy = next((job for job in active if job.kind in WRITING), None)
        if busy is not None:
            raise Conflict(
                f"collection {collection_id!r} is being written by job {busy.id} ({busy.kind}): wait for it or dismiss it"
            )
