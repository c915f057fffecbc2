"""Uploads of files to a collection."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

from app.client.core import Document, Progress, Steps, call, wait


def upload(
    collection: str, files: Sequence[tuple[str, IO[bytes]]], metadata: Mapping[str, Any] | None, labels_from_folders: bool
) -> Steps[Document]:
    """Upload files as one job. Returns its status document. It is not repeated after a lost connection."""
    data = {} if metadata is None else {"metadata": json.dumps(metadata)}
    if labels_from_folders:
        data["labels_from_folders"] = "true"
    parts = [("files", (name, file)) for name, file in files]
    job: Document = yield from call("POST", f"/collections/{collection}/items", is_safe=False, files=parts, data=data)
    return job


def index(
    collection: str, paths: Sequence[str | Path], metadata: Mapping[str, Any] | None, progress: Progress | None
) -> Steps[Document]:
    """Upload files and wait until they are indexed. Returns the results of the job. progress: half for each of both.

    Raises:
        JobFailed: the job failed.
    """
    files = [Path(path) for path in paths]
    report = progress or (lambda _percent, _message: None)
    total = sum(path.stat().st_size for path in files) or 1
    sent = 0

    def note(count: int) -> None:
        nonlocal sent
        sent += count
        report(min(50 * sent / total, 50), "uploading")

    with ExitStack() as stack:
        parts: list[Any] = [(path.name, _Counted(stack.enter_context(path.open("rb")), note)) for path in files]
        job = yield from upload(collection, parts, metadata, labels_from_folders=False)
    return (yield from wait(job["id"], lambda percent, message: report(50 + percent / 2, message)))


class _Counted:
    """A file that reports how many bytes were read from it."""

    def __init__(self, file: IO[bytes], note: Callable[[int], None]) -> None:
        self._file = file
        self._note = note

    def read(self, size: int = -1) -> bytes:
        """Read, and report the number of bytes."""
        data = self._file.read(size)
        self._note(len(data))
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move, as the file does."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """The position, as of the file."""
        return self._file.tell()

    def fileno(self) -> int:
        """The descriptor, from which httpx reads the size."""
        return self._file.fileno()
