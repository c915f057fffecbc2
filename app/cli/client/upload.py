"""Indexing by a service: files are uploaded from the disk in batches. Each batch is a job; it runs during the next upload."""

from __future__ import annotations

import io
import os
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

from app.cli.client.client import Client
from app.cli.client.stopped import Stopped
from app.client.core import Document, Progress
from app.domain.metadata import FileMetadata
from app.domain.temporal import format_instant
from app.errors import DyadError
from app.imagery.sources.file_kinds import FileKind, sniff
from app.imagery.sources.sidecars import place_files
from app.imagery.sources.stac_scenes import BandChoice
from app.services.ingest.incoming.folder_labels import FolderLabels
from app.services.ingest.incoming.read_policy import ReadPolicy
from app.services.ingest.incoming.sources import Found, Note, Rejection, SourceFile, list_files
from app.services.ingest.incoming.unpacking import Unpacker

BATCH_FILES = 200
BATCH_BYTES = 256 << 20
MAX_STACK_BYTES = 4 << 30
COUNTS = ("indexed", "unchanged", "skipped_nodata", "files", "rejected_count", "notes_count")
ANYWHERE = ReadPolicy(anywhere=True)


class _Stoppable(io.FileIO):
    """A file whose reads fail after the user stopped the command, which aborts the request."""

    def __init__(self, path: Path, stopping: threading.Event) -> None:
        super().__init__(path)
        self._stopping = stopping

    def read(self, size: int | None = -1, /) -> bytes:
        if self._stopping.is_set():
            raise DyadError("stopped")
        return super().read(-1 if size is None else size) or b""


@dataclass(slots=True)
class Upload:
    """One `dyad index` by a service.

    done, total: files. outstanding: jobs that may still run, with their number of files. sending: the current request. staging:
    folder for stacked bands.
    """

    client: Client
    collection: str
    labels_from_folders: bool
    report: Progress
    total: int = 0
    done: int = 0
    outstanding: deque[tuple[str, int]] = field(default_factory=deque)
    all_jobs: list[str] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)
    sending: Future[None] | None = None
    staging: Path = field(default_factory=Path)
    result: Document = field(default_factory=lambda: {**dict.fromkeys(COUNTS, 0), "rejected": [], "notes": [], "item_ids": []})

    def run(self, paths: Sequence[Path]) -> Document:
        """Upload all files and wait for all jobs. Returns their results in one document.

        Raises:
            DyadError: a request or a job failed; tiles of other jobs stay.
            Stopped: after Ctrl-C; jobs that had not ended are dismissed.
        """
        with TemporaryDirectory(prefix="dyad-") as staging, ThreadPoolExecutor(1, "dyad-upload") as sender:
            self.staging = Path(staging)
            try:
                self._run(paths, sender)
            except KeyboardInterrupt:
                raise Stopped(self._stop()) from None
        return self.result

    def _run(self, paths: Sequence[Path], sender: Executor) -> None:
        files = list(self._files(paths))
        self.total = max(len(files), 1)
        for batch in _batches(files):
            self.sending = sender.submit(self._send, batch)
            self.sending.result()
            while len(self.outstanding) > 1:
                self._wait()
        while self.outstanding:
            self._wait()

    def _stop(self) -> int:
        """Abort the current request and dismiss the jobs that have not ended. Returns the least number of tiles that stay.

        A request that arrived completely created a job. Its answer is awaited, so that this job is dismissed, too.
        """
        self.stopping.set()
        if self.sending is not None:
            wait([self.sending])
        for job, _ in self.outstanding:
            self.client.dismiss(job)
        jobs = map(self.client.job, self.all_jobs)
        return sum(job["counts"].get("indexed", 0) + job["counts"].get("unchanged", 0) for job in jobs)

    def _files(self, paths: Sequence[Path]) -> Iterator[SourceFile]:
        labels = FolderLabels() if self.labels_from_folders else None
        for path in paths:
            real = ANYWHERE.resolve(path)
            folder = Path(os.path.normpath(path.expanduser().absolute())).parent.name
            for listed in list_files(real, real.name, ANYWHERE):
                for found in self._expand(listed):
                    if isinstance(found, Rejection):
                        self._reject(found.file_name, found.reason)
                    elif isinstance(found, Note):
                        self._note(found)
                    elif labels is None or _is_zip(found):
                        yield found  # the service labels the members of a zip
                    else:
                        yield labels.apply(found, replace(found, name=listed_name(listed), folder=folder))
        for note in labels.notes() if labels is not None else ():
            self._note(note)

    def _expand(self, listed: Found) -> Iterator[Found]:
        """The file itself; for a STAC document its scenes, because the service cannot read files beside it."""
        try:
            if not isinstance(listed, SourceFile) or sniff(listed.path) is not FileKind.STAC:
                yield listed
                return
            for found in Unpacker(self.staging, MAX_STACK_BYTES, ANYWHERE, self._choice()).unpack(listed):
                yield _sendable(found) if isinstance(found, SourceFile) else found
        except OSError as error:
            yield Rejection(listed_name(listed), f"cannot be read: {error.strerror}")

    def _choice(self) -> BandChoice:
        """The bands that the collection takes."""
        collection = self.client.collection(self.collection)
        model = self.client.model(collection["index"]["model"])
        bands = collection.get("bands")
        return BandChoice(None if bands is None else tuple(bands), len(model["bands"]))

    def _send(self, batch: Sequence[SourceFile]) -> None:
        described = {source.name: _described(source.metadata) for source in batch}
        metadata = {name: entry for name, entry in described.items() if entry}
        files: list[tuple[str, IO[bytes]]] = []
        with ExitStack() as stack:
            for source in batch:
                try:
                    for name, path in ((source.name, source.path), *_beside(source)):
                        files.append((name, stack.enter_context(_Stoppable(path, self.stopping))))
                except OSError as error:
                    self._reject(source.name, f"cannot be read: {error.strerror}")
            if not files:
                self.done += len(batch)
                return
            is_labelled = self.labels_from_folders and any(map(_is_zip, batch))
            job = self.client.upload(self.collection, files, metadata, labels_from_folders=is_labelled)
        for source in batch:
            if source.temporary:
                source.path.unlink(missing_ok=True)
        self.outstanding.append((job["id"], len(batch)))
        self.all_jobs.append(job["id"])

    def _wait(self) -> None:
        """Wait until the oldest outstanding job has ended, and add its results."""
        job_id, files = self.outstanding[0]
        result = self.client.wait(job_id, lambda percent, _: self._report(percent * files))
        self.outstanding.popleft()
        self.done += files
        self._report(0)
        for name in self.result:
            self.result[name] += result[name]

    def _report(self, current: float) -> None:
        """Report the progress. current: files of the current job that are done, times 100."""
        self.report((100 * self.done + current) / self.total, f"{self.done} of {self.total} files")

    def _note(self, note: Note) -> None:
        self.result["notes"].append({"file_name": note.file_name, "note": note.note})
        self.result["notes_count"] += 1

    def _reject(self, name: str, reason: str) -> None:
        self.result["rejected"].append({"file_name": name, "reason": reason})
        self.result["rejected_count"] += 1


def _batches(files: Sequence[SourceFile]) -> Iterator[list[SourceFile]]:
    """The files in order, in batches of at most `BATCH_FILES` files and `BATCH_BYTES` bytes; a larger file is a batch alone."""
    batch: list[SourceFile] = []
    size = 0
    for source in files:
        bytes_ = source.path.stat().st_size
        if batch and (len(batch) == BATCH_FILES or size + bytes_ > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(source)
        size += bytes_
    if batch:
        yield batch


def listed_name(found: Found) -> str:
    """The source name of a listed file."""
    return found.name if isinstance(found, SourceFile) else found.file_name


def _is_zip(source: SourceFile) -> bool:
    try:
        return sniff(source.path) is FileKind.ZIP
    except OSError:
        return False


def _beside(source: SourceFile) -> list[tuple[str, Path]]:
    """The world file and CRS file of an image on the disk, under its name with their endings."""
    stem = source.name.removesuffix(source.path.suffix)
    return [(stem + path.suffix, path) for path in place_files(source.path)]


def _sendable(source: SourceFile) -> SourceFile:
    """The scene of a STAC item; without the item's place if it has one of its own, because metadata takes precedence."""
    if not source.place_if_missing or sniff(source.path) is not FileKind.RASTER:
        return source
    return replace(source, metadata=source.metadata.model_copy(update={"geometry": None}))


def _described(metadata: FileMetadata) -> Document:
    """An entry of the `metadata` form field; empty if the file has no metadata."""
    entry: Document = {"labels": list(metadata.labels), "properties": metadata.properties, "geometry": metadata.geometry}
    entry["datetime"] = None if metadata.datetime is None else format_instant(metadata.datetime)
    return {name: value for name, value in entry.items() if value}
