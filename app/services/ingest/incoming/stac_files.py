"""The files of a STAC item: its scenes, with its place, time, labels and properties."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from app.domain.metadata import FileMetadata
from app.domain.places.geometry import Bounds
from app.domain.tiles import MAX_LABELS
from app.errors import DyadError
from app.imagery.sources.stac_assets import StacImage
from app.imagery.sources.stac_items import StacItem
from app.imagery.sources.stac_scenes import BandChoice, StacScene, choose_scenes
from app.services.ingest.incoming.read_policy import ReadPolicy
from app.services.ingest.incoming.sources import BandFile, Found, Note, Rejection, SourceFile

Locate = Callable[[Path], Path]
"""Returns the staged file that an uploaded STAC item means by a path; raises `InvalidInput` if it was not sent."""


def with_labels(item: StacItem, labels: Sequence[str]) -> StacItem:
    """The item with `labels` before its own, up to the maximum number of labels of a tile."""
    return replace(item, labels=tuple(dict.fromkeys((*labels, *item.labels)))[:MAX_LABELS])


def item_metadata(item: StacItem) -> FileMetadata:
    """The metadata of a STAC item's images."""
    return FileMetadata.model_construct(
        geometry=item.geometry, datetime=item.datetime, labels=item.labels, properties=item.properties
    )


def item_files(
    item: StacItem,
    name: str,
    read_policy: ReadPolicy,
    choice: BandChoice,
    weight: float = 1.0,
    locate: Locate | None = None,
    area: Bounds | None = None,
) -> Iterator[Found]:
    """The scenes of a STAC item, each named `name#asset`; files of single bands are one scene, `name#bands`.

    Images on the web are not yet fetched, and bands not yet stacked: see `SourceFile.url` and `SourceFile.stack`.
    choice: the bands that the collection takes. locate: finds the files of an uploaded item. area: see `SourceFile.area`.
    """
    try:
        scenes, note = choose_scenes(item.images, choice)
    except DyadError as error:
        yield Rejection(name, str(error), weight)
        return
    if note is not None:
        yield Note(name, note)
    metadata, resolve = item_metadata(item), locate or read_policy.resolve
    for scene in scenes:
        source = f"{name}#{scene.key}"
        try:
            yield replace(_source_file(scene, source, metadata, weight / len(scenes), resolve), area=area)
        except DyadError as error:
            yield Rejection(source, str(error), weight / len(scenes))


def _source_file(scene: StacScene, name: str, metadata: FileMetadata, weight: float, resolve: Locate) -> SourceFile:
    if scene.names:
        stack = tuple(_band(band, image, resolve) for band, image in zip(scene.names, scene.images, strict=True))
        return SourceFile(name, Path(), metadata, weight=weight, place_if_missing=True, stack=stack)
    (image,) = scene.images
    path = Path() if image.path is None else resolve(image.path)
    return SourceFile(name, path, metadata, weight=weight, place_if_missing=True, url=image.url)


def _band(name: str, image: StacImage, resolve: Locate) -> BandFile:
    return BandFile(name, None if image.path is None else resolve(image.path), image.url)
