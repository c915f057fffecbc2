"""Backup: writes all stored data to one file, which `RestoreService` restores into any kind of store."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from app import __version__
from app.atomic_files import complete_file, scratch_folder, telling_full_disk
from app.domain.jobs import Job, JobStatus
from app.errors import NotFound
from app.ports import Blobs, JobStore, VectorStore
from app.services.backup.archive import BLOBS, CONTENTS, JOBS, MODELS, VECTORS, Contents
from app.services.catalogue.collection_store import document_key, reports_prefix
from app.services.catalogue.collections import CollectionService
from app.services.catalogue.images import images_prefix
from app.services.catalogue.indexes import RECORDS, Indexes
from app.services.catalogue.models import ModelService
from app.services.schedules.schedule_store import SCHEDULES, STATES
from app.services.search.recent_queries import PREFIX as QUERIES

THREADS = 8
AT_ONCE = 64
"""Maximum number of blobs in memory."""
PAGE = 1000
ENDED = tuple(status for status in JobStatus if status.ended)


class BackupService:
    """Writes backups."""

    def __init__(
        self,
        *,
        collections: CollectionService,
        indexes: Indexes,
        models: ModelService,
        vectors: VectorStore,
        blobs: Blobs,
        jobs: JobStore,
    ) -> None:
        self._collections = collections
        self._indexes = indexes
        self._models = models
        self._vectors = vectors
        self._blobs = blobs
        self._jobs = jobs

    def write(self, target: Path) -> Contents:
        """Write a backup to the new file `target`, which appears when it is complete. Writers of a collection wait while it is
        read; searches continue. Jobs that have not ended are not included.

        Raises:
            OSError: the file exists, or cannot be made. OutOfSpace: the disk is full. Unavailable: a part is down.
        """
        folder = target.absolute().parent
        with (
            telling_full_disk(folder),
            complete_file(target) as output,
            scratch_folder(folder) as scratch,
            zipfile.ZipFile(output, "w", zipfile.ZIP_STORED) as file,
        ):
            aliases = dict(self._write_collections(file, scratch))
            for prefix in (SCHEDULES, STATES, QUERIES):
                self._write_blobs(file, self._blobs.keys(prefix))
            default = self._write_models(file)
            self._write_jobs(file, scratch / JOBS)
            contents = Contents(
                version=__version__,
                created=datetime.now(UTC),
                entries=len(file.namelist()),
                aliases=aliases,
                default_model=default,
            )
            file.writestr(CONTENTS, contents.model_dump_json())
        return contents

    def _write_collections(self, file: zipfile.ZipFile, scratch: Path) -> Iterator[tuple[str, str]]:
        """Write all collections; yield the id and the live index of each."""
        for collection_id in self._collections.ids():
            try:
                with self._collections.writing(collection_id) as live:
                    whole = {live.index, *(record.index for record in self._indexes.whole(collection_id))}
                    for index in sorted(whole):
                        self._vectors.snapshot(index, scratch / index)
                        file.write(scratch / index, f"{VECTORS}{index}")
                        (scratch / index).unlink()
                    for prefix in (images_prefix(collection_id), reports_prefix(collection_id), f"{RECORDS}{collection_id}/"):
                        self._write_blobs(file, self._blobs.keys(prefix))
                    self._write_blobs(file, [document_key(collection_id)])
            except NotFound:  # deleted since it was listed
                continue
            yield collection_id, live.index

    def _write_blobs(self, file: zipfile.ZipFile, keys: Iterable[str]) -> None:
        waiting = iter(keys)
        with ThreadPoolExecutor(THREADS, "dyad-backup") as pool:
            while some := list(islice(waiting, AT_ONCE)):
                for key, data in zip(some, pool.map(self._read, some), strict=True):
                    if data is not None:
                        file.writestr(f"{BLOBS}{key}", data)

    def _read(self, key: str) -> bytes | None:
        try:
            return self._blobs.get(key)
        except NotFound:  # deleted since it was listed
            return None

    def _write_models(self, file: zipfile.ZipFile) -> str:
        """Write the added bundles; return the id of the active model."""
        infos = self._models.all()
        for info in infos:
            if info.entry.origin == "added":
                with file.open(f"{MODELS}{info.card.id}.zip", "w", force_zip64=True) as output:
                    for piece in self._models.stream_zip(info.card.id):
                        output.write(piece)
        return infos[0].card.id

    def _write_jobs(self, file: zipfile.ZipFile, scratch: Path) -> None:
        with scratch.open("w", encoding="utf-8") as lines:
            for job in self._ended():
                lines.write(f'{{"job": {job.model_dump_json()}}}\n')
                items = iter(self._jobs.items(job.id))
                while some := list(islice(items, PAGE)):
                    listed = ", ".join(f'"{item}"' for item in some)
                    lines.write(f'{{"items": [{listed}]}}\n')
        file.write(scratch, JOBS)

    def _ended(self) -> Iterator[Job]:
        """Jobs that have ended, oldest first: the order in which a restore creates them."""
        ids: list[str] = []
        while page := self._jobs.list(status=ENDED, limit=PAGE, after=ids[-1] if ids else None):
            ids += [job.id for job in page]
        for job_id in reversed(ids):
            with suppress(NotFound):  # deleted since it was listed
                yield self._jobs.get(job_id)
