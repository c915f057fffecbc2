"""The operations of the client without input and output: generators that yield steps and receive answers.

Both clients run them: `Dyad` waits for each step, `AsyncDyad` awaits it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import IO, Any, Literal, TypeVar

from app.client.errors import ApiError, JobFailed
from app.client.results import Results

Document = dict[str, Any]
Progress = Callable[[float, str], None]
"""Called with the progress in percent, 0 to 100, and one line for a person."""
Image = str | Path | bytes
LabelMode = Literal["add", "replace"]
ENDED = ("successful", "failed", "dismissed")
PAGE = 1000
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 2.0
POLL_GROWTH = 1.1
"""A job is polled at intervals of about 10 % of the time that it has taken."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request.

    is_safe: it may be repeated if it is unknown whether the service received it. options: further arguments of httpx. file:
    the body, read again for each attempt.
    """

    method: str
    path: str
    is_safe: bool = True
    options: Mapping[str, Any] = field(default_factory=dict)
    file: Path | None = None


@dataclass(frozen=True, slots=True)
class Download:
    """A GET whose body becomes the file `target`, completely or not at all.

    is_overwriting: replace an existing file, which is an error otherwise. is_collected: the body is a GeoJSON feature per line,
    the file one feature collection.
    """

    path: str
    target: Path
    params: Mapping[str, Any] = field(default_factory=dict)
    is_overwriting: bool = True
    is_collected: bool = False


@dataclass(frozen=True, slots=True)
class Pause:
    """A wait of some seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer. body: its JSON, an empty object without a body, None if it is not JSON."""

    status: int
    body: Any


Value = TypeVar("Value")
Steps = Generator[Call | Download | Pause, Answer | None, Value]
"""An operation: yields its steps, receives the answer of a call or download, returns its value."""


def call(method: str, path: str, *, is_safe: bool = True, file: Path | None = None, **options: Any) -> Steps[Any]:
    """One request. Returns its JSON object.

    Raises:
        ApiError: the service refused it, or is not a Dyad service.
    """
    return _accepted((yield Call(method, path, is_safe, options, file)), f"{method} {path}")


def download(step: Download) -> Steps[Path]:
    """Write the body of an answer to a file. Returns its path.

    Raises:
        ApiError: the service refused it. OSError: the file exists and may not be replaced, or it cannot be written.
    """
    _accepted((yield step), f"GET {step.path}")
    return step.target


def _accepted(answer: Answer | None, request: str) -> Document:
    if answer is None:
        raise TypeError("a request was not answered")
    if answer.status < 300 and isinstance(answer.body, dict):
        return answer.body
    raise ApiError(answer.status, request, answer.body if isinstance(answer.body, dict) else {})


def listed(path: str, name: str, params: Mapping[str, Any] | None = None) -> Steps[list[Document]]:
    """The list under `name` of a document."""
    document = yield from call("GET", path, params=params)
    return list(document[name])


def items(collection: str, limit: int | None, query: Mapping[str, Any]) -> Steps[Results]:
    """The items of a collection or the results of a saved search, from as many pages as needed."""
    params = {"limit": min(limit or PAGE, PAGE), **given(query)}
    return (yield from pages("GET", f"/collections/{collection}/items", limit, params=params))


def search(collection: str, image: Image | None, limit: int, query: Mapping[str, Any]) -> Steps[Results]:
    """The results of a search, from as many pages as needed."""
    body = {"limit": min(limit, PAGE), **given(query)}
    path = f"/collections/{collection}/search"
    if image is None:
        return (yield from pages("POST", path, limit, json=body))
    with _opened(image) as file:
        return (yield from pages("POST", path, limit, body=body, files={"image": (_name(image), file)}))


def save_search(collection: str, title: str, image: Image | None, query: Mapping[str, Any]) -> Steps[Document]:
    """Save a search. Returns its document."""
    body = {"title": title, **given(query)}
    path = f"/collections/{collection}/searches"
    if image is None:
        document: Document = yield from call("POST", path, is_safe=False, json=body)
        return document
    with _opened(image) as file:
        files = {"image": (_name(image), file), "query": (None, json.dumps(body).encode())}
        document = yield from call("POST", path, is_safe=False, files=files)
    return document


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
        pause = min(pause * POLL_GROWTH, LONGEST_PAUSE)
    if job["status"] != "successful" and not any(link["rel"].endswith("/results") for link in job["links"]):
        raise JobFailed(job)
    results: Document = yield from call("GET", f"/jobs/{job_id}/results")
    return results


def pages(method: str, path: str, limit: int | None, **options: Any) -> Steps[Results]:
    """Follow the links `next` of a first answer."""
    form = options.pop("files", None)
    body = options.pop("body", None)
    first: Document | None = None
    features: list[Document] = []
    while True:
        if form is not None:
            options = {"files": {**form, "query": (None, json.dumps(body).encode())}}
        page = yield from call(method, path, **options)
        first = first or page
        features += page["features"]
        following = next((link for link in page["links"] if link["rel"] == "next"), None)
        if following is None or (limit is not None and len(features) >= limit):
            features = features[:limit]
            counts = {name: len(features) for name in ("number_returned", "numberReturned") if name in first}
            return Results({**first, **counts, "features": features, "links": page["links"]})
        path, body = following["href"], following.get("body")
        options = {} if body is None else {"json": body}


def given(query: Mapping[str, Any]) -> Document:
    """The parameters that are not None."""
    return {name: value for name, value in query.items() if value is not None}


def _name(image: Image) -> str:
    return "image" if isinstance(image, bytes) else Path(image).name


def _opened(image: Image) -> AbstractContextManager[IO[bytes]]:
    return nullcontext(BytesIO(image)) if isinstance(image, bytes) else Path(image).open("rb")
