"""Uploads: one reader of multipart forms that writes files to disk as they arrive, so that memory is bounded.

Starlette's `request.form()` is not used: it has no limit for the size of a form, spools to anonymous files that cannot be moved
into the folder of a job, and needs a second multipart library.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from anyio import to_thread
from fastapi import Request
from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from app.errors import FieldError, InvalidInput, OutOfSpace, TooLarge, Unprocessable

MEGABYTE = 1 << 20
MAX_FIELD = 64 * MEGABYTE
MAX_FILES = 200_000
MAX_HEADER = 16_384
CHUNK = MEGABYTE
MEMORY = 4 * MEGABYTE
"""Bytes of file parts that a form may keep in memory: most queries fit, and no file is written for them."""


@dataclass(slots=True)
class UploadedFile:
    """A file part of a form. name: of the part. file_name: as the client names it. content: a path, or bytes in memory."""

    name: str
    file_name: str
    content: Path | bytes


@dataclass(slots=True)
class Form:
    """A form. files: the file parts in their order. fields: the text parts by name."""

    files: list[UploadedFile] = field(default_factory=list)
    fields: dict[str, bytes] = field(default_factory=dict)

    def named(self, name: str) -> list[UploadedFile]:
        """The files of the parts with this name."""
        return [file for file in self.files if file.name == name]

    def text(self, name: str) -> bytes | None:
        """The content of a text part; a client may also send it as a file (`curl -F name=@file`).

        Raises:
            TooLarge: the file is larger than a text part may be. InvalidInput: there are several files with this name.
        """
        files = self.named(name)
        if len(files) > 1:
            raise _repeated(name)
        for file in files:
            if isinstance(file.content, bytes):
                return file.content
            if file.content.stat().st_size > MAX_FIELD:
                raise _large_field(name)
            return file.content.read_bytes()
        return self.fields.get(name)


@contextmanager
def temporary_folder(new: Callable[[], Path]) -> Iterator[Callable[[], Path]]:
    """A function that returns a folder, made by `new` at its first call, and deleted with its content after the block."""
    made: list[Path] = []

    def folder() -> Path:
        if not made:
            made.append(new())
        return made[0]

    try:
        yield folder
    finally:
        for path in made:
            shutil.rmtree(path, ignore_errors=True)


def is_multipart(request: Request) -> bool:
    """Whether the body is a multipart form."""
    return request.headers.get("content-type", "").lower().startswith("multipart/form-data")


async def receive_form(
    request: Request, folder: Callable[[], Path], max_bytes: int, allowed: frozenset[str], memory: int = 0
) -> Form:
    """Read a multipart body.

    folder: returns the folder for files, which are named by their order; called in a thread. max_bytes: limit of the body.
    allowed: names that parts may have. memory: bytes of file parts that are kept in memory before files are written.

    Raises:
        TooLarge: the body is larger than `max_bytes`. InvalidInput: it is not a complete multipart form. Unprocessable: a part
        has another name, or two parts have the same file name. OutOfSpace: a file cannot be written.
    """
    reader = _FormReader(request.headers.get("content-type", ""), folder, max_bytes, allowed, memory)
    try:
        async for chunk in _chunks(request, max_bytes):
            await to_thread.run_sync(reader.feed, chunk)
        reader.feed(b"")
    except MultipartError as error:
        raise InvalidInput(f"the multipart body is not valid or not complete: {error}") from None
    except OSError as error:
        raise _not_written(error) from None
    finally:
        reader.close()
    return reader.form


async def receive_file(request: Request, folder: Callable[[], Path], max_bytes: int, part: str) -> Path:
    """Write the only file of a request to `folder`: the part of a form with this name, or the whole body.

    Raises:
        InvalidInput: no file, or several. TooLarge, Unprocessable, OutOfSpace: as `receive_form`.
    """
    path = await to_thread.run_sync(folder) / "body"
    if not is_multipart(request):
        return await _receive_body(request, path, max_bytes)
    form = await receive_form(request, folder, max_bytes, frozenset({part}))
    files = [file.content for file in form.files if isinstance(file.content, Path)]
    if part in form.fields:  # sent without a file name
        await to_thread.run_sync(path.write_bytes, form.fields[part])
        files.append(path)
    if len(files) != 1:
        raise InvalidInput(f"the request has {len(files)} files; send one, as the form part {part!r} or as the body")
    return files[0]


async def _receive_body(request: Request, path: Path, max_bytes: int) -> Path:
    size = 0
    try:
        with path.open("wb") as file:
            async for chunk in _chunks(request, max_bytes):
                size += await to_thread.run_sync(file.write, chunk)
    except OSError as error:
        raise _not_written(error) from None
    if not size:
        raise InvalidInput("the request has no body; send the file as the body, or in a multipart form")
    return path


async def _chunks(request: Request, max_bytes: int) -> AsyncIterator[bytes]:
    """The body in pieces of about `CHUNK` bytes: large enough that running a thread for each is cheap.

    Raises:
        TooLarge: the body has more than `max_bytes`, or its Content-Length is larger.
    """
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > max_bytes:
        raise _too_large(max_bytes)
    received, buffer = 0, bytearray()
    async for piece in request.stream():
        received += len(piece)
        if received > max_bytes:
            raise _too_large(max_bytes)
        buffer += piece
        if len(buffer) >= CHUNK:
            yield bytes(buffer)
            buffer.clear()
    if buffer:
        yield bytes(buffer)


class _FormReader:
    """Parses chunks of a form and stores its parts; the methods block on disk writes."""

    def __init__(
        self, content_type: str, folder: Callable[[], Path], max_bytes: int, allowed: frozenset[str], memory: int
    ) -> None:
        boundary: str = parse_options_header(content_type)[1].get("boundary", "")
        if not boundary:
            raise InvalidInput("the Content-Type has no multipart boundary; let the HTTP client set this header")
        self.form = Form()
        self._parser = PushMultipartParser(
            boundary, max_segment_count=MAX_FILES, max_segment_size=max_bytes, max_header_size=MAX_HEADER
        )
        self._folder = folder
        self._allowed = allowed
        self._memory = memory
        self._names: set[tuple[str, str]] = set()
        self._part: MultipartSegment | None = None
        self._target: BinaryIO = BytesIO()

    def feed(self, chunk: bytes) -> None:
        """Parse a chunk; an empty one is the end of the form."""
        for event in self._parser.parse(chunk):
            if isinstance(event, MultipartSegment):
                self._begin(event)
            elif event is not None:
                self._write(event)
            elif self._part is not None:
                self._end(self._part)

    def close(self) -> None:
        """Close the file of a part that did not end."""
        self._target.close()
        self._parser.close(check_complete=False)

    def _begin(self, part: MultipartSegment) -> None:
        if part.name not in self._allowed:
            names = ", ".join(sorted(self._allowed))
            raise Unprocessable(
                f"the form has a part {part.name!r}; parts may be {names}", [FieldError(str(part.name), "unknown part")]
            )
        if part.filename:
            key = (part.name, part.filename)
            if key in self._names:
                raise Unprocessable(
                    f"two files are named {part.filename!r}; file names in a form must differ: rename one of them",
                    [FieldError(part.name, "duplicate file name")],
                )
            self._names.add(key)
        elif part.name in self.form.fields:
            raise _repeated(part.name)
        self._part, self._target = part, BytesIO()

    def _write(self, data: bytes) -> None:
        part, target = self._part, self._target
        if part is None:
            return
        if part.filename and isinstance(target, BytesIO):
            self._memory -= len(data)
            if self._memory < 0:
                target = self._spill(target)
        target.write(data)
        if not part.filename and target.tell() > MAX_FIELD:
            raise _large_field(part.name)

    def _end(self, part: MultipartSegment) -> None:
        target = self._target
        if not part.filename:
            self.form.fields[part.name] = target.getvalue() if isinstance(target, BytesIO) else b""
            return
        if isinstance(target, BytesIO) and self._memory <= 0:  # an empty file
            target = self._spill(target)
        content = target.getvalue() if isinstance(target, BytesIO) else self._path()
        target.close()
        self.form.files.append(UploadedFile(part.name, part.filename, content))

    def _spill(self, target: BytesIO) -> BinaryIO:
        """Move the content of the current part from memory to its file."""
        self._target = self._path().open("wb")
        self._target.write(target.getbuffer())
        return self._target

    def _path(self) -> Path:
        return self._folder() / f"{len(self.form.files):06d}"


def _repeated(name: str) -> InvalidInput:
    return InvalidInput(f"the form has more than one part {name!r}; send one")


def _large_field(name: str) -> TooLarge:
    return TooLarge(f"the part {name!r} of the form is larger than {MAX_FIELD // MEGABYTE} MB")


def _not_written(error: OSError) -> OutOfSpace:
    return OutOfSpace(f"the upload cannot be written to DYAD_HOME: {error.strerror}; free disk space and retry")


def _too_large(max_bytes: int) -> TooLarge:
    return TooLarge(f"the upload is larger than {max_bytes // MEGABYTE} MB (DYAD_MAX_UPLOAD_MB); send it in several requests")
