"""Which requests the client repeats, and that a download is a complete file or none."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.client import ApiError, AsyncDyad, Dyad
from app.client.transport import Retries

REFUSED, ANSWERED = httpx.ConnectError("refused"), httpx.Response(200, json={"jobs": []})


def test_retries() -> None:
    retries = Retries(2)
    lost, busy = httpx.ReadError("lost"), httpx.Response(503, headers={"Retry-After": "5"})
    assert retries.pause(0, True, lost, 0) == 0.2
    assert retries.pause(0, False, lost, 0) is None
    assert retries.pause(0, False, busy, 0) == 5
    assert retries.pause(2, True, lost, 0) is None
    assert retries.pause(0, True, httpx.Response(404), 0) is None
    assert retries.pause(0, True, httpx.Response(503, headers={"Retry-After": "3600"}), 0) is None
    assert [retries.pause(1, safe, httpx.Response(504), 0) for safe in (True, False)] == [0.4, None]


def test_a_connection_is_tried_again_only_if_it_fails_at_once() -> None:
    retries = Retries(2)
    assert retries.pause(0, False, REFUSED, 0.1) == 0.2
    assert retries.pause(0, True, REFUSED, 3) is None
    assert retries.pause(0, True, httpx.ConnectTimeout("slow"), 10) is None
    assert retries.pause(0, True, httpx.ReadTimeout("slow"), 300) is None


def _answers(*outcomes: httpx.Response | Exception) -> tuple[httpx.MockTransport, list[bytes]]:
    """A transport with these outcomes in order, and the bodies that it received."""
    left, bodies = list(outcomes), list[bytes]()

    def answer(request: httpx.Request) -> httpx.Response:
        bodies.append(request.read())
        outcome = left.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return httpx.MockTransport(answer), bodies


def test_a_file_is_sent_whole_at_each_attempt(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_text("id,label\n")
    transport, bodies = _answers(httpx.Response(429), httpx.Response(200, json={"updated": 0}))
    with Dyad(transport=transport) as dyad:
        assert dyad.label_file("c", file) == {"updated": 0}
    assert bodies == [b"id,label\n"] * 2

    async def label() -> None:
        async with AsyncDyad(transport=transport) as dyad:
            assert await dyad.label_file("c", file) == {"updated": 0}

    transport, bodies = _answers(httpx.Response(429), httpx.Response(200, json={"updated": 0}))
    asyncio.run(label())
    assert bodies == [b"id,label\n"] * 2


def test_an_upload_is_not_repeated_after_a_lost_connection(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(b"picture")
    for outcome in (httpx.ReadError("lost"), httpx.Response(504)):
        transport, bodies = _answers(outcome)
        with Dyad(transport=transport) as dyad, pytest.raises((httpx.ReadError, ApiError)):
            dyad.index("c", [file])
        assert len(bodies) == 1
    transport, bodies = _answers(httpx.Response(503), httpx.Response(404, json={"detail": "no collection"}))
    with Dyad(transport=transport) as dyad, pytest.raises(ApiError, match="404: no collection"):
        dyad.index("c", [file])
    assert [body.count(b"picture") for body in bodies] == [1, 1]


def test_an_answer_that_is_not_of_the_service() -> None:
    for answer in (httpx.Response(200, text="<html>"), httpx.Response(200, json=[]), httpx.Response(302)):
        with Dyad(transport=_answers(answer)[0]) as dyad, pytest.raises(ApiError, match="GET /jobs is not of a Dyad service"):
            dyad.jobs()


class _Broken(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body that ends in the middle."""

    def __iter__(self) -> Iterator[bytes]:
        yield b"some"
        raise httpx.ReadError("lost")

    async def __aiter__(self):  # type: ignore[no-untyped-def]
        for piece in self:
            yield piece


def test_a_download_is_complete_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "items.csv"
    file.write_text("before")

    async def export(*outcomes: httpx.Response) -> None:
        async with AsyncDyad(transport=_answers(*outcomes)[0], retries=len(outcomes) - 1) as dyad:
            await dyad.export("c", file, "csv")

    for lost in (httpx.Response(200, stream=_Broken()), httpx.Response(404)):
        with Dyad(transport=_answers(lost)[0], retries=0) as dyad, pytest.raises((httpx.ReadError, ApiError)):
            dyad.export("c", file, "csv")
        assert (file.read_text(), [file]) == ("before", list(tmp_path.iterdir()))
    with pytest.raises(httpx.ReadError):
        asyncio.run(export(httpx.Response(200, stream=_Broken())))
    assert (file.read_text(), [file]) == ("before", list(tmp_path.iterdir()))
    asyncio.run(export(httpx.Response(200, stream=_Broken()), httpx.Response(200, text="after")))
    assert file.read_text() == "after"
    with Dyad(transport=_answers(httpx.Response(200, text="again"))[0]) as dyad, pytest.raises(FileExistsError):
        dyad.export("c", file, "csv", overwrite=False)
    assert (file.read_text(), [file]) == ("after", list(tmp_path.iterdir()))


def test_a_link_and_a_device_stay_what_they_are(tmp_path: Path) -> None:
    link, file = tmp_path / "link.csv", tmp_path / "file.csv"
    file.touch()
    link.symlink_to(file)
    for target in (link, Path("/dev/null")):
        with Dyad(transport=_answers(httpx.Response(200, text="rows"))[0]) as dyad:
            assert dyad.export_labels("c", target) == target
    assert (link.is_symlink(), file.read_text(), Path("/dev/null").is_char_device()) == (True, "rows", True)


def test_lines_of_features_become_one_collection(tmp_path: Path) -> None:
    for text, expected in (("", 0), ('{"a": 1}\n', 1), ('{"a": 1}\n{"a": 2}\n', 2), ('{"a": 1}\n{"a": 2}', 2)):
        file = tmp_path / "items.geojson"
        with Dyad(transport=_answers(httpx.Response(200, text=text))[0]) as dyad:
            dyad.export("c", file, "geojson")
        assert len(httpx.Response(200, content=file.read_bytes()).json()["features"]) == expected
