"""The reader of multipart forms."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
from fastapi import Request
from starlette.types import Message

from app.api.uploads import MEGABYTE, MEMORY, Form, UploadedFile, receive_form
from app.errors import InvalidInput, OutOfSpace, TooLarge, Unprocessable
from tests.support.pictures import striped
from tests.support.service import Service, document

TYPE = "multipart/form-data; boundary=xx"
ALLOWED = frozenset({"image", "query"})


def form(*parts: tuple[str, str | None, bytes]) -> bytes:
    body = b""
    for name, file_name, content in parts:
        given = "" if file_name is None else f'; filename="{file_name}"'
        body += f'--xx\r\nContent-Disposition: form-data; name="{name}"{given}\r\n\r\n'.encode() + content + b"\r\n"
    return body + b"--xx--\r\n"


def received(
    body: bytes, folder: Path, memory: int = MEMORY, content_type: str = TYPE, max_bytes: int = 64 * MEGABYTE, piece: int = 1000
) -> Form:
    """What the reader makes of a body that arrives in pieces."""
    pieces = [body[start : start + piece] for start in range(0, len(body), piece)]

    async def receive() -> Message:
        return {"type": "http.request", "body": pieces.pop(0) if pieces else b"", "more_body": bool(pieces)}

    scope = {"type": "http", "headers": [(b"content-type", content_type.encode())]}
    return anyio.run(receive_form, Request(scope, receive), lambda: folder, max_bytes, ALLOWED, memory)


def test_a_small_form_is_read_in_memory(tmp_path: Path) -> None:
    content = bytes(range(256)) * 9
    body = form(("image", "a.jpg", content), ("query", None, b"{}"), ("image", "b.jpg", b""))
    read = received(body, tmp_path)
    assert read.files == [UploadedFile("image", "a.jpg", content), UploadedFile("image", "b.jpg", b"")]
    assert read.fields == {"query": b"{}"}
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("piece", [7, 10_000])
def test_beyond_the_memory_of_a_form_files_are_written(tmp_path: Path, piece: int) -> None:
    small, large = b"a" * 1000, bytes(range(256)) * 20
    body = form(
        ("image", "a", small), ("image", "b", large), ("query", None, b"{}"), ("image", "c", small), ("image", "d", b"")
    )
    read = received(body, tmp_path, memory=2000, piece=piece)
    assert read.files[0].content == small
    paths = [file.content for file in read.files[1:]]
    assert [path.read_bytes() for path in paths if isinstance(path, Path)] == [large, small, b""]
    assert sorted(tmp_path.iterdir()) == paths, "in the order of the form"
    assert read.fields == {"query": b"{}"}


def test_a_text_may_be_sent_as_a_file_in_memory_or_on_disk(tmp_path: Path) -> None:
    body = form(("query", None, b"field"), ("query", "q.json", b"file"))
    assert received(body, tmp_path).text("query") == b"file"
    assert received(body, tmp_path, memory=0).text("query") == b"file"
    assert received(form(("query", None, b"field")), tmp_path).text("query") == b"field"
    assert received(form(("image", "a", b"")), tmp_path).text("query") is None


def test_a_body_beyond_the_limit_is_refused_while_it_arrives(tmp_path: Path) -> None:
    with pytest.raises(TooLarge, match="1 MB"):
        received(form(("image", "a", b"x" * (3 * MEGABYTE))), tmp_path, max_bytes=MEGABYTE, piece=65_536)


def test_a_file_that_cannot_be_written_is_a_full_disk(tmp_path: Path) -> None:
    with pytest.raises(OutOfSpace, match="cannot be written"):
        received(form(("image", "a", b"x")), tmp_path / "missing", memory=0)


@pytest.mark.parametrize(
    ("content_type", "body", "error", "word"),
    [
        ("multipart/form-data", form(("image", "a", b"")), InvalidInput, "no multipart boundary"),
        (TYPE, form(("picture", "a", b"")), Unprocessable, "parts may be image, query"),
        (TYPE, form(("image", "a", b"x" * 99))[:120], InvalidInput, "is not valid or not complete"),
        (TYPE, b"", InvalidInput, "is not valid or not complete"),
        (TYPE, b"nonsense", InvalidInput, "is not valid or not complete"),
    ],
)
def test_what_is_no_form_is_refused(tmp_path: Path, content_type: str, body: bytes, error: type[Exception], word: str) -> None:
    with pytest.raises(error, match=word):
        received(body, tmp_path, content_type=content_type)


@pytest.mark.parametrize("padding", [0, MEMORY])
def test_small_and_large_uploads_search_alike(service: Service, padding: int) -> None:
    if "uploaded" not in [each["id"] for each in document(service.client.get("/collections"))["collections"]]:
        service.create("uploaded", model="hog")
        service.upload("uploaded", {"a.jpg": striped(0, form="JPEG"), "b.jpg": striped(60, form="JPEG")})
    picture = striped(0, form="JPEG") + b"\0" * padding
    files = {"image": ("q.jpg", picture), "query": ("query.json", b'{"limit": 1}')}
    answer = service.client.post("/collections/uploaded/search", files=files)
    assert answer.status_code == 200, answer.text
    assert [each["properties"]["file_name"] for each in answer.json()["features"]] == ["a.jpg"]
    twice = [("image", ("q.jpg", picture)), ("image", ("r.jpg", picture))]
    assert "has 2 images; send one" in service.client.post("/collections/uploaded/search", files=twice).json()["detail"]


def test_a_search_whose_client_disconnects_leaves_no_file(service: Service, fresh: Callable[..., str]) -> None:
    name = fresh(model="hog")
    headers = f"Host: localhost\r\nContent-Type: {TYPE}\r\nContent-Length: {20 * MEGABYTE}\r\n\r\n"
    head = f"POST /collections/{name}/search HTTP/1.1\r\n{headers}"
    with socket.create_connection(("127.0.0.1", service.client.base_url.port or 0), timeout=30) as connection:
        connection.sendall(head.encode() + form(("image", "a.jpg", b"x" * (2 * MEMORY))).removesuffix(b"\r\n--xx--\r\n"))
        deadline = time.monotonic() + 30
        while not service.container.folders.ids() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert service.container.folders.ids(), "a large file is written while it arrives"
    assert service.staged() == []
