"""The client for asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import httpx

from app.client import core, transport
from app.client.core import Document, Image, Pause, Progress, Steps, Value
from app.client.queries import query_of as _query
from app.client.results import Result, Results


class AsyncDyad:
    """A client of a service for asyncio: the operations of `Dyad`, awaited.

    url: of the service. key: an API key. retries: of requests that may be repeated, while the service is busy or away.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        key: str | None = None,
        *,
        retries: int = 3,
        seconds: float = transport.SECONDS,
    ) -> None:
        self._http = httpx.AsyncClient(**transport.options(url, key, seconds))
        self._retries = transport.Retries(retries)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def collections(self) -> list[Document]:
        """All collections."""
        return await self._run(core.listed("/collections", "collections"))

    async def collection(self, collection: str) -> Document:
        """One collection."""
        found: Document = await self._run(core.call("GET", f"/collections/{collection}"))
        return found

    async def create_collection(self, collection: str, **settings: Any) -> Document:
        """Create a collection. settings: as in the body of `POST /collections`."""
        body = {"id": collection, **settings}
        made: Document = await self._run(core.call("POST", "/collections", is_safe=False, json=body))
        return made

    async def delete_collection(self, collection: str) -> None:
        """Delete a collection with its tiles."""
        await self._run(core.call("DELETE", f"/collections/{collection}"))

    async def index(
        self,
        collection: str,
        paths: Sequence[str | Path],
        metadata: Mapping[str, Any] | None = None,
        progress: Progress | None = None,
    ) -> Document:
        """Upload files and wait until they are indexed. Returns the results of the job.

        metadata: by file name. progress: called with percent and a message.

        Raises:
            JobFailed: the job failed.
        """
        return await self._run(core.index(collection, paths, metadata, progress))

    async def items(self, collection: str, *, limit: int | None = None, **query: Any) -> Results:
        """The items of a collection, or all results of a saved search, of all pages.

        query: parameters of `/items`, for example filter="gsd < 10", sortby="-datetime", bbox="10,50,11,51".
        """
        return await self._run(core.items(collection, limit, query))

    async def item(self, collection: str, item: str) -> Result:
        """One item."""
        return Result(await self._run(core.call("GET", f"/collections/{collection}/items/{item}")))

    async def label(self, collection: str, item: str, add: Sequence[str] = (), remove: Sequence[str] = ()) -> Result:
        """Add and remove labels of an item."""
        body = {"labels": {"add": list(add), "remove": list(remove)}}
        return Result(await self._run(core.call("PATCH", f"/collections/{collection}/items/{item}", json=body)))

    async def search(
        self,
        collection: str,
        image: Image | None = None,
        *,
        item: str | None = None,
        point: tuple[float, float] | None = None,
        limit: int = 10,
        **query: Any,
    ) -> Results:
        """The tiles most similar to an image (a path or bytes), to an item, or to what is at a point (longitude, latitude).

        query: further members of the body of a search: positives, negatives, places, filter, bbox, labels, rerank, ...
        """
        body = _query(item, point, query)
        return await self._run(core.search(collection, image, limit, body))

    async def save_search(
        self,
        collection: str,
        title: str,
        image: Image | None = None,
        *,
        item: str | None = None,
        point: tuple[float, float] | None = None,
        **query: Any,
    ) -> Document:
        """Save a search, which is a layer then. Arguments as in `search`."""
        return await self._run(core.save_search(collection, title, image, _query(item, point, query)))

    async def searches(self, collection: str) -> list[Document]:
        """The saved searches of a collection."""
        return await self._run(core.listed(f"/collections/{collection}/searches", "searches"))

    async def delete_search(self, search: str) -> None:
        """Delete a saved search."""
        await self._run(core.call("DELETE", f"/searches/{search}"))

    async def execute(self, process: str, progress: Progress | None = None, **inputs: Any) -> Document:
        """Run a process (`train`, `evaluate`, `reindex`) and wait for it. Returns its results.

        Raises:
            JobFailed: the job failed.
        """
        return await self._run(core.execute(process, inputs, progress))

    async def jobs(self) -> list[Document]:
        """The newest jobs."""
        return await self._run(core.listed("/jobs", "jobs"))

    async def wait(self, job: str, progress: Progress | None = None) -> Document:
        """Wait until a job has ended. Returns its results.

        Raises:
            JobFailed: it failed without results, or was dismissed.
        """
        return await self._run(core.wait(job, progress))

    async def export(self, collection: str, file: str | Path, f: str, **query: Any) -> Path:
        """Write all items of a collection or saved search to a file. f: `gpkg`, `parquet`, `fgb`, `csv` or `geojsonseq`."""
        target = Path(file)
        async with self._http.stream("GET", f"/collections/{collection}/items", params={"f": f, **query}) as answer:
            if answer.is_error:
                await answer.aread()
                raise transport.error_of(answer)
            with target.open("wb") as out:
                async for piece in answer.aiter_bytes():
                    out.write(piece)
        return target

    async def _run(self, steps: Steps[Value]) -> Value:
        answer = None
        try:
            while True:
                step = steps.send(answer)
                answer = None
                if isinstance(step, Pause):
                    await asyncio.sleep(step.seconds)
                else:
                    answer = transport.read(await self._send(step))
        except StopIteration as end:
            value: Value = end.value
            return value

    async def _send(self, call: core.Call) -> httpx.Response:
        number = 0
        while True:
            answer, error = None, None
            try:
                answer = await self._http.request(call.method, call.path, **call.options)
            except httpx.TransportError as found:
                error = found
            pause = self._retries.pause(number, call, answer)
            if pause is None:
                if error is not None:
                    raise error
                if answer is not None:
                    return answer
            await asyncio.sleep(pause or 0)
            number += 1
