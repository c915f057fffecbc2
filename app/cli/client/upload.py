"""Indexing by a service: files are uploaded from the disk in batches. Each batch is a job; it runs during the next upload."""

from __future__ import annotations

import io
import json
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from app.cli.client.values import ENDED, POLL_SECONDS, Document, ProgressCallback, Stopped
from app.domain.metadata import FileMetadata
from app.domain.temporal import format_instant
from app.errors import DyadError
from app.imagery.sources.file_kinds import FileKind, sniff
from app.imagery.sources.stac_items import read_stac_item
from app.services.ingest.read_policy import ReadPolicy
from app.services.ingest.sources import Rejection, SourceFile, label_from_folder, list_files, with_labels

if TYPE_CHECKING:
    from app.cli.client.client import Client

BATCH_FILES = 200
BATCH_BYTES = 256 << 20
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

    done, total: files. outstanding: jobs that may still run, with their number of files. sending: the current request.
    """

    client: Client
    collection: str
    labels_from_folders: bool
    report: ProgressCallback
    total: int = 0
    done: int = 0
    outstanding: deque[tuple[str, int]] = field(default_factory=deque)
    all_jobs: list[str] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)
    sending: Future[None] | None = None
    result: Document = field(
        default_factory=lambda: {"indexed": 0, "unchanged": 0, "rejected_count": 0, "rejected": [], "item_ids": []}
    )

    def run(self, paths: Sequence[Path]) -> Document:
        """Upload all files and wait for all jobs. Returns their results in one document.

        Raises:
            DyadError: a request or a job failed; tiles of other jobs stay.
            Stopped: after Ctrl-C; jobs that had not ended are dismissed.
        """
        with ThreadPoolExecutor(1, "dyad-upload") as sender:
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
            self.client.request("DELETE", f"/jobs/{job}")
        jobs = (self.client.request("GET", f"/jobs/{job}") for job in self.all_jobs)
        return sum(job["counts"].get("indexed", 0) + job["counts"].get("unchanged", 0) for job in jobs)

    def _files(self, paths: Sequence[Path]) -> Iterator[SourceFile]:
        for path in paths:
            real = ANYWHERE.resolve(path)
            for found in list_files(real, real.name, ANYWHERE):
                if isinstance(found, Rejection):
                    self._reject(found.file_name, found.reason)
                else:
                    labelled = label_from_folder(found) if self.labels_from_folders else found
                    yield from self._expand(labelled)

    def _expand(self, source: SourceFile) -> Iterator[SourceFile]:
        """The file itself; for a STAC item its assets, because the service cannot read files beside the item."""
        try:
            if sniff(source.path) is not FileKind.STAC:
                yield source
                return
            item = with_labels(read_stac_item(source.path), source.metadata.labels)
            for key, path in item.assets:
                has_own_place = sniff(ANYWHERE.resolve(path)) is FileKind.RASTER
                metadata = FileMetadata(
                    geometry=None if has_own_place else item.geometry,
                    datetime=item.datetime,
                    labels=item.labels,
                    properties=item.properties,
                )
                yield SourceFile(f"{source.name}#{key}", path, metadata)
        except (DyadError, OSError) as error:
            self._reject(source.name, str(error))

    def _send(self, batch: Sequence[SourceFile]) -> None:
        described = {source.name: _described(source.metadata) for source in batch}
        metadata = json.dumps({name: entry for name, entry in described.items() if entry}).encode()
        with ExitStack() as stack:
            parts: list[tuple[str, tuple[str | None, io.FileIO | bytes]]] = [("metadata", (None, metadata))]
            for source in batch:
                try:
                    parts.append(("files", (source.name, stack.enter_context(_Stoppable(source.path, self.stopping)))))
                except OSError as error:
                    self._reject(source.name, f"cannot be read: {error.strerror}")
            if len(parts) == 1:
                self.done += len(batch)
                return
            job = self.client.request("POST", f"/collections/{self.collection}/items", files=parts)
        self.outstanding.append((job["id"], len(batch)))
        self.all_jobs.append(job["id"])

    def _wait(self) -> None:
        """Wait until the oldest outstanding job has ended, and add its results."""
        job_id, files = self.outstanding[0]
        while (job := self.client.request("GET", f"/jobs/{job_id}"))["status"] not in ENDED:
            self.report((100 * self.done + job["progress"] * files) / self.total, f"{self.done} of {self.total} files")
            time.sleep(POLL_SECONDS)
        self.outstanding.popleft()
        self.done += files
        self.report(100 * self.done / self.total, f"{self.done} of {self.total} files")
        if job["status"] != "successful":
            raise DyadError(f"job {job_id} {job['status']}: {job['message']}")
        result = self.client.request("GET", f"/jobs/{job_id}/results")
        for name in self.result:
            self.result[name] += result[name]

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


def _described(metadata: FileMetadata) -> Document:
    """An entry of the `metadata` form field; empty if the file has no metadata."""
    entry: Document = {"labels": list(metadata.labels), "properties": metadata.properties, "geometry": metadata.geometry}
    entry["datetime"] = None if metadata.datetime is None else format_instant(metadata.datetime)
    return {name: value for name, value in entry.items() if value}
