"""Multipart bodies, streamed to disk as they arrive. Memory does not grow with the upload."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from io import BufferedWriter
from pathlib import Path

from anyio import to_thread
from fastapi import Request
from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from app.errors import FieldError, InvalidInput, OutOfSpace, TooLarge, Unprocessable

MEGABYTE = 1 << 20
MAX_FIELD = 64 * MEGABYTE
MAX_FILES = 200_000
CHUNK = MEGABYTE
SMALL = 4 * MEGABYTE


@dataclass(slots=True)
class SmallForm:
    """files: by field, (client's file name, content). fields: text parts."""

    files: dict[str, list[tuple[str, bytes]]] = field(default_factory=dict)
    fields: dict[str, bytes] = field(default_factory=dict)

    def add(self, part: MultipartSegment, content: bytes) -> None:
        """Keep a part."""
        if part.filename:
            self.files.setdefault(part.name, []).append((part.filename, content))
        else:
            self.fields[part.name] = content


@dataclass(slots=True)
class Form:
    """files: by field, (client's file name, staged path). fields: text parts."""

    files: list[tuple[str, str, Path]] = field(default_factory=list)
    fields: dict[str, bytes] = field(default_factory=dict)

    def named(self, name: str) -> list[tuple[str, Path]]:
        """The files of one field."""
        return [(file_name, path) for part, file_name, path in self.files if part == name]


def is_multipart(request: Request) -> bool:
    """Whether the body is a form."""
    return request.headers.get("content-type", "").lower().startswith("multipart/form-data")


async def receive_form(request: Request, folder: Path, max_bytes: int, allowed: frozenset[str]) -> Form:
    """Write the files of a multipart body into `folder`, named by their order.

    allowed: the names that parts may have.

    Raises:
        TooLarge: more than `max_bytes`. InvalidInput: not multipart, or broken off. Unprocessable: a part of another name.
        OutOfSpace: the disk is full.
    """
    _check_length(request, max_bytes)
    boundary = _boundary(request.headers.get("content-type", ""))
    parser = PushMultipartParser(boundary, max_segment_count=MAX_FILES, max_segment_size=max_bytes, max_header_size=16_384)
    receiver = _Receiver(parser, folder, allowed)
    received = 0
    try:
        async for chunk in _chunks(request):
            received += len(chunk)
            if received > max_bytes:
                raise _too_large(max_bytes)
            await to_thread.run_sync(receiver.feed, chunk)
        receiver.feed(b"")
    except MultipartError as error:
        raise _unreadable(error) from None
    except OSError as error:
        raise OutOfSpace(f"the upload cannot be written: {error.strerror}") from None
    finally:
        receiver.close()
    return receiver.form


def small_body_length(request: Request) -> int | None:
    """The length of the body, if it says one that is better held in memory than written to a file; else None."""
    length = request.headers.get("content-length", "")
    return int(length) if length.isdecimal() and int(length) <= SMALL else None


def parse_small_form(content_type: str, body: bytes, allowed: frozenset[str]) -> SmallForm:
    """A multipart body that was read whole.

    Raises:
        InvalidInput, Unprocessable: as `receive_form`.
    """
    form = SmallForm()
    parser = PushMultipartParser(_boundary(content_type), max_segment_size=SMALL, max_header_size=16_384)
    sink = bytearray()
    part: MultipartSegment | None = None
    try:
        for event in (*parser.parse(body), *parser.parse(b"")):
            if isinstance(event, MultipartSegment):
                part, sink = _allowed(event, allowed), bytearray()
            elif event is not None:
                sink += event
            elif part is not None:
                form.add(part, bytes(sink))
    except MultipartError as error:
        raise _unreadable(error) from None
    finally:
        parser.close(check_complete=False)
    return form


async def receive_file(request: Request, folder: Path, max_bytes: int, part: str) -> Path:
    """Write the one file that a request brings into `folder`: the form's part of that name, or else the whole body.

    Raises:
        InvalidInput: no file, or several. TooLarge, Unprocessable, OutOfSpace: as `receive_form`.
    """
    if not is_multipart(request):
        return await _receive_body(request, folder / "body", max_bytes)
    form = await receive_form(request, folder, max_bytes, frozenset({part}))
    if part in form.fields:  # sent without a file name
        await to_thread.run_sync((folder / "field").write_bytes, form.fields[part])
        form.files.append((part, "", folder / "field"))
    if len(form.files) != 1:
        raise InvalidInput(f"send one file, as the form's part {part!r} or as the body")
    return form.files[0][2]


async def _receive_body(request: Request, path: Path, max_bytes: int) -> Path:
    _check_length(request, max_bytes)
    received = 0
    try:
        with path.open("wb") as file:
            async for chunk in _chunks(request):
                received += len(chunk)
                if received > max_bytes:
                    raise _too_large(max_bytes)
                await to_thread.run_sync(file.write, chunk)
    except OSError as error:
        raise OutOfSpace(f"the upload cannot be written: {error.strerror}") from None
    if not received:
        raise InvalidInput("the request has no body; send the file as the body, or in a form")
    return path


def _check_length(request: Request, max_bytes: int) -> None:
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > max_bytes:
        raise _too_large(max_bytes)


def _boundary(content_type: str) -> str:
    boundary: str = parse_options_header(content_type)[1].get("boundary", "")
    if not boundary:
        raise InvalidInput("the Content-Type has no multipart boundary; let your HTTP client write that header")
    return boundary


def _allowed(part: MultipartSegment, allowed: frozenset[str]) -> MultipartSegment:
    """The part, if its name is one of those that are allowed."""
    if part.name is None or part.name not in allowed:
        names = ", ".join(sorted(allowed))
        raise Unprocessable(
            f"the form has a part {part.name!r}; its parts are {names}", [FieldError(str(part.name), "unknown part")]
        )
    return part


def _unreadable(error: MultipartError) -> InvalidInput:
    return InvalidInput(f"the multipart body cannot be read: {error}")


def _too_large(max_bytes: int) -> TooLarge:
    return TooLarge(f"the upload is larger than {max_bytes // MEGABYTE} MB (DYAD_MAX_UPLOAD_MB); send it in several requests")


async def _chunks(request: Request) -> AsyncIterator[bytes]:
    """The body in pieces of about a megabyte, so that each is worth a trip to a thread."""
    buffer = bytearray()
    async for piece in request.stream():
        buffer += piece
        if len(buffer) >= CHUNK:
            yield bytes(buffer)
            buffer.clear()
    if buffer:
        yield bytes(buffer)


class _Receiver:
    """Takes the parser's events and writes."""

    def __init__(self, parser: PushMultipartParser, folder: Path, allowed: frozenset[str]) -> None:
        self.form = Form()
        self._parser = parser
        self._folder = folder
        self._allowed = allowed
        self._names: set[tuple[str, str]] = set()
        self._file: BufferedWriter | None = None
        self._field: bytearray | None = None
        self._field_name = ""

    def feed(self, chunk: bytes) -> None:
        """Parse a chunk; an empty one is the end."""
        for event in self._parser.parse(chunk):
            if isinstance(event, MultipartSegment):
                self._begin(event)
            elif event is None:
                self._end()
            elif self._file is not None:
                self._file.write(event)
            elif self._field is not None:
                self._field += event
                if len(self._field) > MAX_FIELD:
                    raise TooLarge(f"a text field of the form is larger than {MAX_FIELD // MEGABYTE} MB")

    def close(self) -> None:
        """Let go of a file that broke off."""
        if self._file is not None:
            self._file.close()
        self._parser.close(check_complete=False)

    def _begin(self, part: MultipartSegment) -> None:
        _allowed(part, self._allowed)
        if not part.filename:
            self._field = bytearray()
            self.form.fields[part.name] = b""
            self._field_name = part.name
            return
        key = (part.name, part.filename)
        if key in self._names:
            raise Unprocessable(
                f"two files are named {part.filename!r}; their tiles would replace each other",
                [FieldError(part.name, "doubled")],
            )
        self._names.add(key)
        path = self._folder / f"{len(self.form.files):06d}"
        self._file = path.open("wb")
        self.form.files.append((part.name, part.filename, path))

    def _end(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        if self._field is not None:
            self.form.fields[self._field_name] = bytes(self._field)
            self._field = None
