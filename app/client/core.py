"""The operations of the client without input and output: generators that yield calls and receive answers.

Both clients run them: `Dyad` waits for each call, `AsyncDyad` awaits it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, TypeVar

from app.client.errors import ApiError, JobFailed
from app.client.results import Results

Document = dict[str, Any]
Progress = Callable[[float, str], None]
"""Called with percent and a message."""
Image = str | Path | bytes
ENDED = ("successful", "failed", "dismissed")
PAGE = 1000
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 2.0
RETRIED = (429, 502, 503, 504)


@dataclass(frozen=True, slots=True)
class Call:
    """A request. is_safe: it may be repeated if there was no answer. options: further arguments of httpx."""

    method: str
    path: str
    is_safe: bool = True
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pause:
    """A wait of some seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer. body: its JSON, an empty object without a body."""

    status: int
    body: Any


Value = TypeVar("Value")
Steps = Generator[Call | Pause, Answer | None, Value]
"""An operation: yields calls and pauses, receives the answer of a call, returns its value."""


def call(method: str, path: str, *, is_safe: bool = True, **options: Any) -> Steps[Any]:
    """One request. Returns its JSON.

    Raises:
        ApiError: the service refused it.
    """
    answer = yield Call(method, path, is_safe, options)
    if answer is None:
        raise TypeError("a call was not answered")
    if answer.status < 400:
        return answer.body
    problem = answer.body if isinstance(answer.body, dict) else {}
    raise ApiError(answer.status, str(problem.get("detail") or f"{method} {path}"), problem)


def listed(path: str, name: str) -> Steps[list[Document]]:
    """The list under `name` of a document."""
    document = yield from call("GET", path)
    return list(document[name])


def items(collection: str, limit: int | None, query: Mapping[str, Any]) -> Steps[Results]:
    """The items of a collection or the results of a saved search, from as many pages as needed."""
    params = {"limit": min(limit or PAGE, PAGE), **_given(query)}
    return (yield from _pages("GET", f"/collections/{collection}/items", limit, params=params))


def search(collection: str, image: Image | None, limit: int, query: Mapping[str, Any]) -> Steps[Results]:
    """The results of a search, from as many pages as needed."""
    body = {"limit": min(limit, PAGE), **_given(query)}
    path = f"/collections/{collection}/search"
    if image is None:
        return (yield from _pages("POST", path, limit, json=body))
    name, data = _read(image)
    return (yield from _pages("POST", path, limit, body=body, files={"image": (name, data)}))


def save_search(collection: str, title: str, image: Image | None, query: Mapping[str, Any]) -> Steps[Document]:
    """Save a search. Returns its document."""
    body = {"title": title, **_given(query)}
    path = f"/collections/{collection}/searches"
    if image is None:
        document: Document = yield from call("POST", path, is_safe=False, json=body)
        return document
    files = {"image": _read(image), "query": (None, json.dumps(body).encode())}
    document = yield from call("POST", path, is_safe=False, files=files)
    return document


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
        parts = [("files", (path.name, _Counted(stack.enter_context(path.open("rb")), note))) for path in files]
        data = {} if metadata is None else {"metadata": json.dumps(metadata)}
        job = yield from call("POST", f"/collections/{collection}/items", is_safe=False, files=parts, data=data)
    return (yield from wait(job["id"], lambda percent, message: report(50 + percent / 2, message)))


def wait(job_id: str, progress: Progress | None) -> Steps[Document]:
    """Wait until a job has ended. Returns its results.

    Raises:
        JobFailed: it failed without results, or was dismissed.
    """
    pause = FIRST_PAUSE
    while True:
        job = yield from call("GET", f"/jobs/{job_id}")
        if progress is not None:
            progress(job["progress"], job["message"])
        if job["status"] in ENDED:
            break
        yield Pause(pause)
        pause = min(pause * 1.5, LONGEST_PAUSE)
    if job["status"] != "successful" and not any(link["rel"].endswith("/results") for link in job["links"]):
        raise JobFailed(job)
    results: Document = yield from call("GET", f"/jobs/{job_id}/results")
    return results


def execute(process: str, inputs: Mapping[str, Any], progress: Progress | None) -> Steps[Document]:
    """Run a process and wait for it. Returns its results."""
    job = yield from call("POST", f"/processes/{process}/execution", is_safe=False, json={"inputs": dict(inputs)})
    return (yield from wait(job["id"], progress))


def _pages(method: str, path: str, limit: int | None, **options: Any) -> Steps[Results]:
    """Follow the links `next` of a first answer."""
    form = options.pop("files", None)
    body = options.pop("body", None)
    features: list[Document] = []
    about: Document = {}
    while True:
        if form is not None:
            options = {"files": {**form, "query": (None, json.dumps(body).encode())}}
        page = yield from call(method, path, **options)
        about = about or {name: value for name, value in page.items() if name not in ("features", "links")}
        features += page["features"]
        following = next((link for link in page["links"] if link["rel"] == "next"), None)
        if following is None or (limit is not None and len(features) >= limit):
            return Results(features[:limit], page["numberMatched"], about)
        path, body = following["href"], following.get("body")
        options = {} if body is None else {"json": body}


def _given(query: Mapping[str, Any]) -> Document:
    """The parameters that are not None."""
    return {name: value for name, value in query.items() if value is not None}


def _read(image: Image) -> tuple[str, bytes]:
    return ("image", image) if isinstance(image, bytes) else (Path(image).name, Path(image).read_bytes())


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
