"""A sync: one run of a schedule. Sources are compared with what is indexed; doing any sync twice is harmless."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from app.domain.jobs import ACTIVE, result_counts
from app.domain.schedules import GivenSource, OnVanished, Source
from app.errors import ModelMismatch, NotFound, SourceUnavailable
from app.ports import Blobs, JobContext, JobStore, VectorStore
from app.services.catalogue.collections import CollectionService
from app.services.ingest.ingest import IngestService
from app.services.ingest.read_policy import ReadPolicy
from app.services.ingest.sources import Rejection, SourceFile
from app.services.reindex.reindex import KIND as REINDEX
from app.services.reindex.reindex import ReindexService
from app.services.schedules.downloads import Downloads
from app.services.schedules.missing import Missing, MissingFiles
from app.services.schedules.source_listing import SourceListing

log = logging.getLogger(__name__)

KIND = "sync"


class SyncInputs(BaseModel):
    """What a sync works on: the schedule as it was when the job was submitted.

    accept_vanished: somebody has looked, and what is gone is gone, however much it is.
    """

    model_config = ConfigDict(frozen=True)

    sources: tuple[GivenSource, ...]
    on_vanished: OnVanished = "keep"
    accept_vanished: bool = False


class SyncService:
    """Runs syncs.

    max_bytes: of a file that is fetched. min_remaining: a source of whose files this share or less remains is not believed:
    nothing of it is marked or removed.
    """

    def __init__(
        self,
        collections: CollectionService,
        ingest: IngestService,
        reindex: ReindexService,
        jobs: JobStore,
        vectors: VectorStore,
        blobs: Blobs,
        read_policy: ReadPolicy,
        max_bytes: int,
        min_remaining: float,
    ) -> None:
        self._collections = collections
        self._ingest = ingest
        self._reindex = reindex
        self._jobs = jobs
        self._vectors = vectors
        self._blobs = blobs
        self._read_policy = read_policy
        self._max_bytes = max_bytes
        self._min_remaining = min_remaining

    def run(self, context: JobContext) -> dict[str, Any]:
        """Handle the job: index what is new or changed, settle what is gone, have the collection re-indexed if it is of a model
        that it should not have any more.

        Returns the counts of `IngestRun.run`, `vanished` (newly gone tiles), `removed` (deleted ones), under `not_compared`
        the sources of which nothing can be said to be gone, with the reasons, and `reindex_job` (an id or null).

        Raises:
            SourceUnavailable: a source cannot be read or has lost too much; all else is done by then.
            Cancelled, Interrupted: told to stop; everything reported so far stays.
        """
        inputs = SyncInputs.model_validate(context.job.inputs)
        with self._ingest.workplace(context) as folder:
            context.progress(0, "listing the sources")
            read_policy = replace(self._read_policy, check=context.check)
            downloads = Downloads(read_policy, folder, self._max_bytes)
            listings = [SourceListing(Source.of(given), read_policy, downloads) for given in inputs.sources]
            total = sum(entry.weight for listing in listings for entry in _checked(context, listing.entries()))
            result = self._ingest.index(context, self._files(listings, folder, read_policy), total, list_unchanged=False)
        settled, refusals = self._settle(context, listings, inputs)
        result = {**result, **settled, "reindex_job": self._submit_reindex(str(context.job.collection))}
        if refusals:
            context.progress(100, "some sources could not be compared", result_counts(result))
            raise SourceUnavailable("; ".join(refusals) + ". The rest is done.")
        return result

    def _files(
        self, listings: Sequence[SourceListing], folder: Path, read_policy: ReadPolicy
    ) -> Iterator[SourceFile | Rejection]:
        """The files of all sources; one that several sources mean is the first one's."""
        known: set[str] = set()
        for listing in listings:
            for source in listing.files(lambda file: self._ingest.expand(file, folder, read_policy)):
                name = source.file_name if isinstance(source, Rejection) else source.name
                if name not in known:
                    known.add(name)
                    yield source

    def _settle(
        self, context: JobContext, listings: Sequence[SourceListing], inputs: SyncInputs
    ) -> tuple[dict[str, Any], list[str]]:
        """Mark or remove what is gone; the counts, and why sources were not believed."""
        context.progress(99, "looking for what is gone")
        missing_files = MissingFiles(context, str(context.job.collection), self._collections, self._vectors, self._blobs)
        counts = {"vanished": 0, "removed": 0}
        refusals, not_compared = [], []
        for missing in missing_files.find(listings):
            listing = missing.listing
            refusal = self._refusal(missing, inputs.accept_vanished)
            if refusal is not None:
                refusals.append(refusal)
            elif listing.is_partial:
                not_compared.append({"source": listing.name, "reason": "a part of the catalogue could not be read"})
            else:
                counts["vanished"] += len(missing.new)
                counts["removed"] += missing_files.settle(missing, listing.source.on_vanished or inputs.on_vanished)
        return {**counts, "not_compared": not_compared}, refusals

    def _submit_reindex(self, collection_id: str) -> str | None:
        """The job that gives the collection the model that it should have; None if it has that, or cannot have it."""
        wanted = self._collections.wanted_model(self._collections.get(collection_id))
        if wanted == self._collections.live(collection_id).model:
            return None
        active = self._jobs.list(collection=collection_id, status=ACTIVE, limit=1000)
        begun = next((job for job in active if job.kind == REINDEX and job.inputs.get("model") == wanted), None)
        try:
            return begun.id if begun is not None else self._reindex.submit(collection_id, wanted).id
        except (ModelMismatch, NotFound) as error:  # no reason to fail every sync
            log.warning("collection %s is not re-indexed: %s", collection_id, error)
            return None

    def _refusal(self, missing: Missing, accept_vanished: bool) -> str | None:
        """Why nothing of a source is marked or removed, None if it may be."""
        listing = missing.listing
        if listing.trouble is not None and not (listing.is_missing and accept_vanished):
            return f"{listing.trouble}: nothing of it was marked as vanished or removed"
        if missing.names and missing.share_there <= self._min_remaining and not accept_vanished:
            return (
                f"{listing.name}: {len(missing.there)} of {missing.known} indexed files are still there, which looks like a folder"
                " that is not mounted: nothing of it was marked as vanished or removed; if they are really gone, run the"
                " schedule with accept_vanished"
            )
        return None


def _checked(context: JobContext, entries: Iterator[SourceFile | Rejection]) -> Iterator[SourceFile | Rejection]:
    """The same, as long as the job should go on."""
    for entry in entries:
        context.check()
        yield entry
