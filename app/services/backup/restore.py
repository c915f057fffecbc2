"""Restore: reads a backup into empty stores; a failure undoes every step."""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from app.atomic_files import telling_full_disk
from app.domain.indexes import Live
from app.domain.jobs import Job
from app.errors import Conflict, DyadError, InvalidInput
from app.ports import Blobs, JobStore, VectorStore
from app.services.backup.archive import BLOBS, JOBS, MODELS, VECTORS, Contents, open_backup
from app.services.backup.backup import AT_ONCE, THREADS
from app.services.catalogue.collection_store import DOCUMENTS
from app.services.catalogue.collections import CollectionService
from app.services.catalogue.models import ModelService

log = logging.getLogger(__name__)

Undo = list[Callable[[], object]]
"""One function per finished step; each undoes its step."""


class RestoreService:
    """Reads backups. scratch: a folder for temporary files."""

    def __init__(
        self,
        *,
        collections: CollectionService,
        models: ModelService,
        vectors: VectorStore,
        blobs: Blobs,
        jobs: JobStore,
        scratch: Path,
    ) -> None:
        self._collections = collections
        self._models = models
        self._vectors = vectors
        self._blobs = blobs
        self._jobs = jobs
        self._scratch = scratch

    def read(self, source: Path) -> Contents:
        """Restore a backup. Settings of collections are written last, so a killed restore leaves no incomplete collection
        visible.

        Raises:
            InvalidInput: it is damaged, or needs a model that is not available. Conflict: the stores are not empty.
            OutOfSpace, Unavailable: a write failed. After each error the stores are as before.
        """
        with open_backup(source) as (file, contents):
            self._check(file, contents)
            undo: Undo = []
            try:
                self._restore(file, contents, undo)
            except BaseException as error:
                for step in reversed(undo):
                    _attempt(step)
                if isinstance(error, KeyError | ValueError):  # entries with other content than `BackupService` writes
                    raise InvalidInput(f"{source} is not a backup that this version can read; nothing was changed") from error
                raise
        return contents

    def _check(self, file: zipfile.ZipFile, contents: Contents) -> None:
        here = [*self._collections.ids(), *self._vectors.indexes()]
        added = [info.card.id for info in self._models.all() if info.entry.origin == "added"]
        if here or added:
            what = f"{here[0]!r} is in the store already" if here else f"model {added[0]!r} was added already"
            raise Conflict(f"{what}: a backup can be restored only into empty stores; use another DYAD_HOME, bucket or prefix")
        bundles = {name.removeprefix(MODELS).removesuffix(".zip") for name in _names(file, MODELS)}
        needed = {Live.of(name.removeprefix(VECTORS)).model for name in _names(file, VECTORS)} | {contents.default_model}
        missing = sorted(needed - bundles - {card.id for card in self._models.cards()})
        if missing:
            raise InvalidInput(f"the backup needs model {missing[0]!r}, which is neither in it nor in this version of Dyad")
        lost = sorted(set(contents.aliases.values()) - {name.removeprefix(VECTORS) for name in _names(file, VECTORS)})
        if lost:
            raise InvalidInput(f"the backup does not contain the live index {lost[0]!r}; nothing was changed")

    def _restore(self, file: zipfile.ZipFile, contents: Contents, undo: Undo) -> None:
        documents = [name for name in _names(file, BLOBS) if name.startswith(f"{BLOBS}{DOCUMENTS}")]
        self._scratch.mkdir(parents=True, exist_ok=True)
        with telling_full_disk(self._scratch), tempfile.TemporaryDirectory(dir=self._scratch) as folder:
            self._restore_models(file, contents, Path(folder), undo)
            self._put(file, sorted(set(_names(file, BLOBS)) - set(documents)), undo)
            for name in _names(file, VECTORS):
                index = name.removeprefix(VECTORS)
                undo.append(partial(self._vectors.drop_index, index))
                snapshot = _unpacked(file, name, Path(folder))
                self._vectors.restore(index, snapshot)
                self._vectors.flush(index)
                snapshot.unlink()
            self._restore_jobs(file, undo)
            for alias, index in contents.aliases.items():
                undo.append(partial(self._vectors.drop_alias, alias))
                self._vectors.set_alias(alias, index)
            self._put(file, documents, undo)

    def _restore_models(self, file: zipfile.ZipFile, contents: Contents, folder: Path, undo: Undo) -> None:
        before = self._models.default().id
        for name in _names(file, MODELS):
            archive = _unpacked(file, name, folder)
            imported = self._models.import_zip(archive)
            if imported.is_new:
                undo.append(partial(self._models.delete, imported.model.card.id))
            archive.unlink()
        if contents.default_model != before:
            undo.append(partial(self._models.activate, before))
            self._models.activate(contents.default_model)

    def _put(self, file: zipfile.ZipFile, names: Sequence[str], undo: Undo) -> None:
        """Store blobs in batches: one thread reads the zip, several store."""
        keys = [name.removeprefix(BLOBS) for name in names]
        undo.append(partial(self._blobs.delete, keys))
        with ThreadPoolExecutor(THREADS, "dyad-restore") as pool:
            for at in range(0, len(names), AT_ONCE):
                contents = [file.read(name) for name in names[at : at + AT_ONCE]]
                list(pool.map(self._blobs.put, keys[at : at + AT_ONCE], contents))

    def _restore_jobs(self, file: zipfile.ZipFile, undo: Undo) -> None:
        job_id = ""
        with file.open(JOBS) as lines:
            for line in lines:
                entry = json.loads(line)
                if "job" in entry:
                    job = Job.model_validate(entry["job"])
                    job_id = job.id
                    self._jobs.create(job)
                    undo.append(partial(self._jobs.delete, job_id))
                else:
                    self._jobs.add_items(job_id, entry["items"])


def _names(file: zipfile.ZipFile, folder: str) -> list[str]:
    return [name for name in file.namelist() if name.startswith(folder)]


def _unpacked(file: zipfile.ZipFile, name: str, folder: Path) -> Path:
    target = folder / name.rpartition("/")[2]
    with file.open(name) as source, target.open("xb") as output:
        shutil.copyfileobj(source, output, 1 << 20)
    return target


def _attempt(step: Callable[[], object]) -> None:
    try:
        step()
    except DyadError as error:
        log.error("a step of a failed restore could not be undone: %s", error)
