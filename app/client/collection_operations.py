"""Operations on collections, their items, labels and schedules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from app.client import core, uploads
from app.client.core import Document, Download, LabelMode, Progress, Steps
from app.client.operation import Operation
from app.client.results import Result, Results


def _collections() -> Steps[list[Document]]:
    """All collections."""
    return core.listed("/collections", "collections")


def _collection(collection: str) -> Steps[Document]:
    """One collection."""
    return core.call("GET", f"/collections/{collection}")


def _create_collection(collection: str, **settings: Any) -> Steps[Document]:
    """Create a collection. settings: as in the body of `POST /collections`."""
    return core.call("POST", "/collections", is_safe=False, json={"id": collection, **settings})


def _update_collection(collection: str, **changes: Any) -> Steps[Document]:
    """Change settings of a collection. changes: as in the body of `PATCH /collections/{id}`. Returns the collection."""
    return core.call("PATCH", f"/collections/{collection}", json=changes)


def _delete_collection(collection: str) -> Steps[None]:
    """Delete a collection with its tiles."""
    yield from core.call("DELETE", f"/collections/{collection}", is_safe=False)


def _indexes(collection: str) -> Steps[list[Document]]:
    """The index versions of a collection, newest first."""
    return core.listed(f"/collections/{collection}/indexes", "indexes")


def _rollback(collection: str, version: str | None = None, *, force: bool = False) -> Steps[Document]:
    """Use a previous index version again. Returns the collection. version: by default the one before the current one.

    force: omit new tiles whose images cannot be read.
    """
    body = core.given({"version": version, "force": force or None})
    return core.call("POST", f"/collections/{collection}/rollback", is_safe=False, json=body)


def _items(collection: str, *, limit: int | None = None, **query: Any) -> Steps[Results]:
    """The items of a collection, or all results of a saved search, of all pages.

    query: parameters of `/items`, for example filter="gsd < 10", sortby="-datetime", bbox="10,50,11,51".
    """
    return core.items(collection, limit, query)


def _item(collection: str, item: str) -> Steps[Result]:
    """One item."""
    return Result((yield from core.call("GET", f"/collections/{collection}/items/{item}")))


def _export(collection: str, file: str | Path, f: str, *, overwrite: bool = True, **query: Any) -> Steps[Path]:
    """Write all items of a collection or saved search to a file, completely or not at all. Returns its path.

    f: `gpkg`, `parquet`, `fgb`, `csv`, `geojson` or `geojsonseq`. query: as in `items`. overwrite: an existing file.

    Raises:
        FileExistsError: the file exists, and `overwrite` is false.
    """
    is_geojson = f == "geojson"
    params = core.given({**query, "f": "geojsonseq" if is_geojson else f})
    path = f"/collections/{collection}/items"
    return core.download(Download(path, Path(file), params, is_overwriting=overwrite, is_collected=is_geojson))


def _upload(
    collection: str,
    files: Sequence[tuple[str, IO[bytes]]],
    metadata: Mapping[str, Any] | None = None,
    *,
    labels_from_folders: bool = False,
) -> Steps[Document]:
    """Upload open files under names, as one job. Returns the status of the job, for `wait`. metadata: by name."""
    return uploads.upload(collection, files, metadata, labels_from_folders)


def _index(
    collection: str,
    paths: Sequence[str | Path],
    metadata: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> Steps[Document]:
    """Upload files and wait until they are indexed. Returns the results of the job.

    metadata: by file name. progress: called with percent and a message.

    Raises:
        JobFailed: the job failed.
    """
    return uploads.index(collection, paths, metadata, progress)


def _index_href(collection: str, href: str, **options: Any) -> Steps[Document]:
    """Let the service read and index what `href` names: a scene, a STAC API or catalogue. Returns the status of the job.

    options: further members of the body of `POST .../items`: collections, bbox, datetime, filter, labels_from_folders.
    """
    body = core.given({"href": href, **options})
    return core.call("POST", f"/collections/{collection}/items", is_safe=False, json=body)


def _label(collection: str, item: str, add: Sequence[str] = (), remove: Sequence[str] = ()) -> Steps[Result]:
    """Add and remove labels of an item."""
    body = {"labels": {"add": list(add), "remove": list(remove)}}
    return Result((yield from core.call("PATCH", f"/collections/{collection}/items/{item}", json=body)))


def _label_file(collection: str, file: str | Path, mode: LabelMode = "add") -> Steps[Document]:
    """Label items by a CSV or GeoJSON file. Returns the counts, and the rows that were not applied."""
    path = f"/collections/{collection}/labels"
    return core.call("POST", path, is_safe=False, file=Path(file), params={"mode": mode})


def _export_labels(collection: str, file: str | Path, *, overwrite: bool = True) -> Steps[Path]:
    """Write the labels of all items to a CSV file, which `label_file` reads. Returns its path."""
    return core.download(Download(f"/collections/{collection}/labels.csv", Path(file), is_overwriting=overwrite))


def _classes(collection: str, item: str) -> Steps[Document]:
    """Class probabilities of an item, "none of these" included."""
    return core.call("GET", f"/collections/{collection}/items/{item}/classes")


def _suggestions(collection: str, limit: int | None = None) -> Steps[Results]:
    """The unlabelled items whose labels would teach most, at most 100."""
    params = core.given({"limit": limit})
    return Results((yield from core.call("GET", f"/collections/{collection}/suggestions", params=params)))


def _schedule(collection: str) -> Steps[Document]:
    """The schedule of a collection."""
    return core.call("GET", f"/collections/{collection}/schedule")


def _set_schedule(collection: str, **settings: Any) -> Steps[Document]:
    """Create or replace the schedule of a collection. settings: cron, sources, ... as in the body of `PUT .../schedule`."""
    return core.call("PUT", f"/collections/{collection}/schedule", json=settings)


def _delete_schedule(collection: str) -> Steps[None]:
    """Delete the schedule of a collection."""
    yield from core.call("DELETE", f"/collections/{collection}/schedule", is_safe=False)


def _run_schedule(collection: str, *, accept_vanished: bool = False, force: bool = False) -> Steps[Document]:
    """Start a run of the schedule. Returns the status of its job, for `wait`.

    accept_vanished: accept any number of missing files. force: read unchanged files again, too.
    """
    wishes = {"accept_vanished": accept_vanished} | ({"force": True} if force else {})
    return core.call("POST", f"/collections/{collection}/schedule/run", is_safe=False, json=wishes)


class CollectionOperations:
    """Operations of both clients on collections."""

    collections = Operation(_collections)
    collection = Operation(_collection)
    create_collection = Operation(_create_collection)
    update_collection = Operation(_update_collection)
    delete_collection = Operation(_delete_collection)
    indexes = Operation(_indexes)
    rollback = Operation(_rollback)
    items = Operation(_items)
    item = Operation(_item)
    export = Operation(_export)
    upload = Operation(_upload)
    index = Operation(_index)
    index_href = Operation(_index_href)
    label = Operation(_label)
    label_file = Operation(_label_file)
    export_labels = Operation(_export_labels)
    classes = Operation(_classes)
    suggestions = Operation(_suggestions)
    schedule = Operation(_schedule)
    set_schedule = Operation(_set_schedule)
    delete_schedule = Operation(_delete_schedule)
    run_schedule = Operation(_run_schedule)
