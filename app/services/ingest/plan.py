"""The plan of a chunked ingest: the files of a job as entries, and these in chunks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import BaseModel

from app.errors import DyadError, Unavailable
from app.imagery.sources.archives import count_members
from app.services.ingest.incoming.job_files import JobFiles
from app.services.ingest.incoming.sources import Found, Note, Rejection, SourceFile

CHUNK_BYTES = 256 << 20


class Entry(BaseModel):
    """A file of a chunk. reason: why the file is rejected, None if it is not.

    path: absolute on a disk that all workers share, or relative to the job's folder. url, members, folder: see `SourceFile`.
    note: a remark instead of a file. sidecars: see `SourceFile`, relative to the job's folder.
    size: bytes to be read, 0 if unknown.
    """

    name: str
    path: str = ""
    url: str | None = None
    reason: str | None = None
    note: str | None = None
    folder: str | None = None
    sidecars: tuple[str, ...] = ()
    members: tuple[int, int] | None = None
    size: int = 0

    @property
    def files(self) -> int:
        """Number of files: the members of a zip, else 1."""
        return 1 if self.members is None else self.members[1] - self.members[0]

    def single(self) -> Iterator[Entry]:
        """The same as one entry per file."""
        if self.members is None:
            yield self
            return
        for number in range(*self.members):
            yield self.model_copy(update={"members": (number, number + 1)})

    def listed(self, folder: Path) -> Found:
        """The listed file that the entry stands for. folder: of the job."""
        if self.reason is not None:
            return Rejection(self.name, self.reason)
        if self.note is not None:
            return Note(self.name, self.note)
        sidecars = tuple(folder / each for each in self.sidecars)
        return SourceFile(
            self.name, folder / self.path, url=self.url, members=self.members, folder=self.folder, sidecars=sidecars
        )


def plan_entries(files: JobFiles, most: int) -> Iterator[Entry]:
    """The files of a job as entries for its chunks; zips in parts of at most `most` members."""
    for listed in files.listed():
        if isinstance(listed, Rejection):
            yield Entry(name=listed.file_name, reason=listed.reason)
            continue
        if isinstance(listed, Note):
            yield Entry(name=listed.file_name, note=listed.note)
            continue
        is_staged = listed.path.is_relative_to(files.folder)
        path = listed.path.relative_to(files.folder) if is_staged else listed.path
        sidecars = tuple(each.relative_to(files.folder).as_posix() for each in listed.sidecars)
        entry = Entry(name=listed.name, path=path.as_posix(), url=listed.url, folder=listed.folder, sidecars=sidecars)
        is_zip = listed.name.lower().endswith(".zip")
        if listed.url is not None or (is_staged and not is_zip):
            yield entry  # not read here: the worker of its chunk fetches it
        else:
            yield from _in_parts(files, entry, listed.path, most if is_zip else 0)


def _in_parts(files: JobFiles, entry: Entry, path: Path, most: int) -> Iterable[Entry]:
    """The entry of a file with its size, or the parts of a zip. most: members per part, 0 if the file is not a zip."""
    try:
        files.folders.bring(path)
        sized = entry.model_copy(update={"size": path.stat().st_size})
        members = count_members(path) if most else 0
    except Unavailable:
        raise
    except (DyadError, OSError):  # reported when the file is read
        return [entry]
    return slices(sized, members, most) if members else [sized]


def slices(entry: Entry, members: int, most: int) -> Iterator[Entry]:
    """Split a zip into entries of at most `most` members each."""
    for first in range(0, members, most):
        end = min(first + most, members)
        yield entry.model_copy(update={"members": (first, end), "size": entry.size * (end - first) // members})


def cut_into_chunks(entries: Iterable[Entry], most: int) -> Iterator[list[Entry]]:
    """Chunks of at most `most` files and `CHUNK_BYTES`; a larger entry is a chunk by itself."""
    chunk: list[Entry] = []
    files = size = 0
    for entry in entries:
        if chunk and (files + entry.files > most or size + entry.size > CHUNK_BYTES):
            yield chunk
            chunk, files, size = [], 0, 0
        chunk.append(entry)
        files, size = files + entry.files, size + entry.size
    if chunk:
        yield chunk
