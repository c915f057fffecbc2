"""A sync: one run of a schedule, which compares its sources with the index. A sync can be repeated without harm."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ConfigDict

from app.domain.jobs import ACTIVE, result_counts
from app.domain.scheduling.schedules import GivenSource, OnVanished, Source
from app.errors import ModelMismatch, NotFound, SourceUnavailable
from app.ports import Blobs, JobContext, JobStore, VectorStore
from app.services.catalogue.collections import CollectionService
from app.services.ingest.incoming.file_marks import FileMarks
from app.services.ingest.incoming.read_policy import ReadPolicy
from app.services.ingest.incoming.sources import Found, Note, SourceFile
from app.services.ingest.ingest import IngestService
from app.services.ingest.run import checked_result
from app.services.reindex.reindex import KIND as REINDEX
from app.services.reindex.reindex import ReindexService
from app.services.schedules.downloads import Downloads
from app.services.schedules.missing import Missing, MissingFiles
from app.services.schedules.source_listing import Expand, SourceListing

log = logging.getLogger(__name__)

KIND = "sync"


class SyncInputs(BaseModel):
    """Inputs of a sync: the schedule as it was when the job was submitted.

    accept_vanished: a user confirms that missing files were deleted on purpose, however many they are. force: read all files,
    also those that did not change since they were indexed.
    """

    model_config = ConfigDict(frozen=True)

    sources: tuple[GivenSource, ...]
    on_vanished: OnVanished = "keep"
    accept_vanished: bool = False
    force: bool = False


class SyncService:
    """Runs syncs.

    max_bytes: size limit of a fetched file. min_remaining: if this share or less of a source's indexed files remains (0 to 1),
    the source counts as unavailable and none of its tiles are marked or removed.
    """

    def __init__(
        self,
        *,
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
        """Run a job: index new and changed files, mark or remove tiles of missing files, and submit a re-index if the
        collection should have another model.

        Returns the counts of `IngestRun.run`, `vanished` (tiles newly marked as missing), `removed` (deleted tiles),
        `not_compared` (catalogues that were read only in part, with the reasons) and `reindex_job` (an id or None).

        Raises:
            SourceUnavailable: a source cannot be read, or too many of its files are missing; everything else is done by then.
            NothingIndexed: every file was rejected.
            Cancelled, Interrupted: the job has to stop; tiles reported so far stay.
        """
        inputs = SyncInputs.model_validate(context.job.inputs)
        with self._ingest.workplace(context) as folder:
            context.progress(0, "listing the sources")
            read_policy = replace(self._read_policy, check=context.check)
            downloads = Downloads(read_policy, folder, self._max_bytes)
            collection = self._collections.get(str(context.job.collection))
            choice = self._ingest.band_choice(collection.id)
            marks = FileMarks(collection, is_forced=inputs.force)
            marks.read(self._vectors, self._collections.live(collection.id).index, context.check)
            listings = [SourceListing(Source.of(given), read_policy, downloads, choice, marks) for given in inputs.sources]
            listed = (entry for listing in listings for entry in _checked(context, listing.entries()))
            total = sum(entry.weight for entry in listed if not isinstance(entry, Note))
            files = self._files(listings, lambda file: self._ingest.expand(file, folder, read_policy, choice))
            result = self._ingest.index(context, files, total, list_unchanged=False)
        missing, refusals = self._handle_missing(context, listings, inputs)
        result = {**result, **missing, "reindex_job": self._submit_reindex(str(context.job.collection))}
        if refusals:
            context.progress(100, "some sources could not be compared", result_counts(result))
            raise SourceUnavailable("; ".join(refusals) + ". Everything else is done.")
        return checked_result(result)

    def _files(self, listings: Sequence[SourceListing], expand: Expand) -> Iterator[Found]:
        """The files of all sources; a file of several sources is listed once, for the first of them."""
        known: set[str] = set()
        for listing in listings:
            for source in listing.files(expand):
                name = source.name if isinstance(source, SourceFile) else source.file_name
                if isinstance(source, Note):
                    yield source
                elif name not in known:
                    known.add(name)
                    yield source

    def _handle_missing(
        self, context: JobContext, listings: Sequence[SourceListing], inputs: SyncInputs
    ) -> tuple[dict[str, Any], list[str]]:
        """Mark or remove tiles of missing files; the counts, and the reasons why sources were left out."""
        context.progress(99, "looking for missing files")
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
                counts["removed"] += missing_files.apply(missing, listing.source.on_vanished or inputs.on_vanished)
        return {**counts, "not_compared": not_compared}, refusals

    def _submit_reindex(self, collection_id: str) -> str | None:
        """Id of the job that re-indexes the collection with its wanted model; None if it has that model or cannot use it."""
        wanted = self._collections.wanted_model(self._collections.get(collection_id))
        if wanted == self._collections.live(collection_id).model:
            return None
        active = self._jobs.list(collection=collection_id, status=ACTIVE, limit=1000)
        begun = next((job for job in active if job.kind == REINDEX and job.inputs.get("model") == wanted), None)
        try:
            return begun.id if begun is not None else self._reindex.submit(collection_id, wanted).id
        except (ModelMismatch, NotFound) as error:  # the sync itself succeeded
            log.warning("collection %s is not re-indexed: %s", collection_id, error)
            return None

    def _refusal(self, missing: Missing, accept_vanished: bool) -> str | None:
        """Why no tile of a source may be marked or removed; None if they may."""
        listing = missing.listing
        if listing.trouble is not None and not (listing.is_missing and accept_vanished):
            return f"{listing.trouble}: no tile of it was marked as vanished or removed"
        if missing.names and missing.share_there <= self._min_remaining and not accept_vanished:
            return (
                f"{listing.name}: {len(missing.there)} of {missing.known} indexed files are still there, as if a folder is not"
                " mounted: no tile of it was marked as vanished or removed; if the files were deleted on purpose, run the"
                " schedule with accept_vanished"
            )
        return None


def _checked(context: JobContext, entries: Iterator[Found]) -> Iterator[Found]:
    """Check between the entries whether the job should stop."""
    for entry in entries:
        context.check()
        yield entry
