"""The operations that `Dyad` and `AsyncDyad` have."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.client import core
from app.client.collection_operations import CollectionOperations
from app.client.core import Document, Download, Image, Progress, Steps
from app.client.operation import Operation
from app.client.queries import query_of
from app.client.results import Results


def _search(
    collection: str,
    image: Image | None = None,
    *,
    item: str | None = None,
    point: tuple[float, float] | None = None,
    limit: int = 10,
    **query: Any,
) -> Steps[Results]:
    """The tiles most similar to an image (a path or bytes), to an item, or to what is at a point (longitude, latitude).

    query: further members of the body of a search: positives, negatives, places, vector, filter, bbox, labels, rerank, ...
    """
    return core.search(collection, image, limit, query_of(item, point, query))


def _save_search(
    collection: str,
    title: str,
    image: Image | None = None,
    *,
    item: str | None = None,
    point: tuple[float, float] | None = None,
    **query: Any,
) -> Steps[Document]:
    """Save a search, which is a layer then. Arguments as in `search`."""
    return core.save_search(collection, title, image, query_of(item, point, query))


def _searches(collection: str) -> Steps[list[Document]]:
    """The saved searches of a collection."""
    return core.listed(f"/collections/{collection}/searches", "searches")


def _delete_search(search: str) -> Steps[None]:
    """Delete a saved search."""
    yield from core.call("DELETE", f"/searches/{search}", is_safe=False)


def _start(process: str, **inputs: Any) -> Steps[Document]:
    """Start a process (`train`, `evaluate`, `reindex`). Returns the status of its job, for `wait`."""
    return core.call("POST", f"/processes/{process}/execution", is_safe=False, json={"inputs": inputs})


def _execute(process: str, progress: Progress | None = None, **inputs: Any) -> Steps[Document]:
    """Run a process (`train`, `evaluate`, `reindex`) and wait for it. Returns its results.

    Raises:
        JobFailed: the job failed.
    """
    job = yield from _start(process, **inputs)
    return (yield from core.wait(job["id"], progress))


def _jobs(collection: str | None = None, status: Sequence[str] = (), limit: int = 100) -> Steps[list[Document]]:
    """The newest jobs. collection: only its jobs. status: only jobs with one of these."""
    return core.listed("/jobs", "jobs", {**core.given({"collection": collection, "limit": limit}), "status": list(status)})


def _job(job: str) -> Steps[Document]:
    """The status of a job."""
    return core.call("GET", f"/jobs/{job}")


def _dismiss(job: str) -> Steps[Document]:
    """Dismiss a job that has not ended. Returns its status."""
    return core.call("DELETE", f"/jobs/{job}")


def _wait(job: str, progress: Progress | None = None) -> Steps[Document]:
    """Wait until a job has ended. Returns its results.

    Raises:
        JobFailed: it failed without results, or was dismissed.
    """
    return core.wait(job, progress)


def _export_report(job: str, file: str | Path, *, overwrite: bool = True) -> Steps[Path]:
    """Write the report of an evaluation to an HTML file. Returns its path."""
    return core.download(Download(f"/jobs/{job}/report", Path(file), is_overwriting=overwrite))


def _models() -> Steps[list[Document]]:
    """All models; the first is the active one."""
    return core.listed("/models", "models")


def _model(model: str) -> Steps[Document]:
    """One model: its card, origin and use."""
    return core.call("GET", f"/models/{model}")


def _import_model(file: str | Path) -> Steps[Document]:
    """Import the zip of a bundle. Returns the model with `unchanged`: whether it was imported before."""
    return core.call("POST", "/models", is_safe=False, file=Path(file), headers={"Content-Type": "application/zip"})


def _export_model(model: str, file: str | Path, *, overwrite: bool = True) -> Steps[Path]:
    """Write the bundle of a model to a zip file. Returns its path."""
    return core.download(Download(f"/models/{model}/bundle", Path(file), is_overwriting=overwrite))


def _activate_model(model: str) -> Steps[Document]:
    """Make a model the default. Returns the model."""
    return core.call("POST", f"/models/{model}/activate")


def _delete_model(model: str) -> Steps[None]:
    """Delete a model that was added and that no collection uses."""
    yield from core.call("DELETE", f"/models/{model}", is_safe=False)


def _request(method: str, path: str, *, is_safe: bool = True, **options: Any) -> Steps[Any]:
    """Any request of the API. Returns its JSON, an empty object without one. is_safe: it may be repeated. options: of httpx.

    Raises:
        ApiError: the service refused it.
    """
    return core.call(method, path, is_safe=is_safe, **options)


class Operations(CollectionOperations):
    """The operations of both clients."""

    search = Operation(_search)
    save_search = Operation(_save_search)
    searches = Operation(_searches)
    delete_search = Operation(_delete_search)
    start = Operation(_start)
    execute = Operation(_execute)
    jobs = Operation(_jobs)
    job = Operation(_job)
    dismiss = Operation(_dismiss)
    wait = Operation(_wait)
    export_report = Operation(_export_report)
    models = Operation(_models)
    model = Operation(_model)
    import_model = Operation(_import_model)
    export_model = Operation(_export_model)
    activate_model = Operation(_activate_model)
    delete_model = Operation(_delete_model)
    request = Operation(_request)
