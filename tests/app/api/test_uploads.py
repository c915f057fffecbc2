from __future__ import annotations

import pytest

from app.api.uploads import SMALL, parse_small_form
from app.errors import InvalidInput, Unprocessable
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


def test_a_small_form_is_read_in_memory() -> None:
    content = bytes(range(256)) * 9
    read = parse_small_form(TYPE, form(("image", "a.jpg", content), ("query", None, b"{}"), ("image", "b.jpg", b"")), ALLOWED)
    assert read.files == {"image": [("a.jpg", content), ("b.jpg", b"")]}
    assert read.fields == {"query": b"{}"}


@pytest.mark.parametrize(
    ("content_type", "body", "error", "word"),
    [
        ("multipart/form-data", form(("image", "a", b"")), InvalidInput, "no multipart boundary"),
        (TYPE, form(("picture", "a", b"")), Unprocessable, "its parts are image, query"),
        (TYPE, form(("image", "a", b"x" * 99))[:120], InvalidInput, "cannot be read"),
        (TYPE, b"", InvalidInput, "cannot be read"),
        (TYPE, b"nonsense", InvalidInput, "cannot be read"),
    ],
)
def test_what_is_no_form_is_refused(content_type: str, body: bytes, error: type[Exception], word: str) -> None:
    with pytest.raises(error, match=word):
        parse_small_form(content_type, body, ALLOWED)


@pytest.mark.parametrize("padding", [0, SMALL])
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
    assert "one image a search" in service.client.post("/collections/uploaded/search", files=twice).json()["detail"]
