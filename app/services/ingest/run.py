"""One run of an ingest job: reads sources, stores tiles, publishes progress and returns the result."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from typing import Any

from app.domain.tiles import Tile
from app.errors import NothingIndexed
from app.ports import JobContext
from app.services.ingest.events import (
    Event,
    FileDone,
    MarkRemoved,
    Progress,
    ReadTile,
    ReadVectors,
    RecordUpdate,
    Unchanged,
)
from app.services.ingest.incoming.file_marks import mark_of
from app.services.ingest.incoming.sources import Found, Note, Rejection
from app.services.ingest.readers import Readers
from app.services.ingest.writer import FLUSH_EVERY, Writer
from app.telemetry.metrics import FILES_REJECTED, TILES_INDEXED

SHOWN_REASONS = 3
MAX_LISTED_REJECTIONS = 10_000
"""Also of notes."""


class IngestRun:
    """Consumes the events of the readers.

    total: number of top-level files, 100 % of the progress. list_unchanged: whether unchanged tiles are also added to the job's
    items.
    """

    def __init__(
        self, context: JobContext, readers: Readers, writer: Writer, total: float, list_unchanged: bool = True
    ) -> None:
        self._context = context
        self._readers = readers
        self._writer = writer
        self._total = max(total, 1)
        self._done = 0.0
        self._list_unchanged = list_unchanged
        names = ("indexed", "changed", "unchanged", "returned", "rejected", "notes", "skipped_nodata", "files")
        self._counts = dict.fromkeys(names, 0)
        self._rejected: list[dict[str, str]] = []
        self._notes: list[dict[str, str]] = []
        self._stale: list[tuple[str, Callable[[Tile], bool]]] = []
        self._returned: list[str] = []
        self._marks: dict[str, str | None] = {}

    def run(self, sources: Iterator[Found]) -> dict[str, Any]:
        """Index everything; return the result without the item ids, which the job store keeps.

        It counts tiles: `indexed`, of these `changed` (an earlier version was indexed; includes tiles of which only the record
        changed), `unchanged`, of these `returned` (they were marked as vanished); and files: `files`, `rejected_count`.
        `rejected` lists the first `MAX_LISTED_REJECTIONS` rejected files with the reasons, `notes` the first remarks about
        files, `notes_count` is their number.

        Raises:
            Cancelled, Interrupted: the job has to stop. Tiles read until then are stored and reported first.
        """
        try:
            with closing(self._readers.events(sources)) as events:
                for event in events:
                    self._context.check()
                    if event is not None:
                        self._take(event)
                    if self._writer.is_due or event is None or len(self._marks) >= FLUSH_EVERY:
                        self._settle()
        finally:
            self._settle()
        totals = {f"{name}_count": self._counts[name] for name in ("rejected", "notes")}
        return {**self._counts, **totals, "rejected": self._rejected, "notes": self._notes}

    def _take(self, event: Event) -> None:
        match event:
            case ReadTile():
                self._counts["changed"] += event.is_change
                self._writer.add(event)
            case ReadVectors(tiles, embeddings, changed):
                self._counts["changed"] += changed
                self._writer.add_vectors(tiles, embeddings)
            case RecordUpdate():
                self._counts["changed"] += 1
                self._writer.update(event)
            case MarkRemoved(item):
                self._writer.set_marks({item: None})
            case Unchanged(ids, returned, others):
                self._counts["unchanged"] += len(ids) + others
                self._returned += returned
                if self._list_unchanged:
                    self._context.add_items(ids)
            case Progress(share):
                self._done += share
            case FileDone():
                self._finish(event)
            case Note(file_name, note):
                self._counts["notes"] += 1
                if len(self._notes) < MAX_LISTED_REJECTIONS:
                    self._notes.append({"file_name": file_name, "note": note})
        self._publish()

    def _finish(self, file: FileDone) -> None:
        self._done += file.share
        self._counts["skipped_nodata"] += file.skipped_nodata
        if isinstance(file.source, Rejection):
            self._counts["rejected"] += 1
            FILES_REJECTED.inc()
            if len(self._rejected) < MAX_LISTED_REJECTIONS:
                self._rejected.append({"file_name": file.source.file_name, "reason": file.source.reason})
        else:
            self._counts["files"] += 1
            if file.contains is not None:
                self._stale.append((file.source.name, file.contains))
            if file.tile is not None and file.source.mark_base is not None:
                self._marks[file.tile] = mark_of(file.source.mark_base, file.tiles)

    def _settle(self) -> None:
        """Make read tiles durable, report them, and only then delete what they replace."""
        ids = self._writer.flush()
        if ids:
            self._counts["indexed"] += len(ids)
            self._context.add_items(ids)
            TILES_INDEXED.inc(len(ids))
        for name, contains in self._stale:
            self._writer.remove_stale(name, contains)
        self._stale = []
        if self._returned:
            self._writer.unmark(self._returned)
            self._counts["returned"] += len(self._returned)
            self._returned = []
        if self._marks:
            self._writer.set_marks(self._marks)
            self._marks = {}
        self._publish()

    def _publish(self) -> None:
        waiting = self._counts["indexed"] + self._writer.waiting
        counts = {**self._counts, "indexed": waiting}
        self._context.progress(min(99.0, 100 * self._done / self._total), progress_message(counts), counts)


def progress_message(counts: Mapping[str, int]) -> str:
    """Return one line for people about the progress of an ingest."""
    indexed, unchanged, rejected = (counts.get(name, 0) for name in ("indexed", "unchanged", "rejected"))
    return f"{indexed} tiles indexed, {unchanged} unchanged, {rejected} rejected"


def checked_result(result: dict[str, Any]) -> dict[str, Any]:
    """The result of a job.

    Raises:
        NothingIndexed: every file was rejected; the error has the result, and names the first reasons.
    """
    read = sum(result.get(name, 0) for name in ("indexed", "unchanged", "files"))
    if read or not result["rejected"]:
        return result
    first = "; ".join(f"{each['file_name']}: {each['reason']}" for each in result["rejected"][:SHOWN_REASONS])
    more = result["rejected_count"] - min(len(result["rejected"]), SHOWN_REASONS)
    message = f"every file was rejected ({result['rejected_count']}): {first}{f'; and {more} more' if more else ''}"
    raise NothingIndexed(message, result)
