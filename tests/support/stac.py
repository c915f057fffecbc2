"""STAC files on disk, made with pystac."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pystac
from pystac import CatalogType

WHEN = datetime(2024, 5, 1, 10, tzinfo=UTC)
SQUARE: dict[str, Any] = {"type": "Polygon", "coordinates": [[[10, 45], [11, 45], [11, 46], [10, 46], [10, 45]]]}
EXTENT = pystac.Extent(pystac.SpatialExtent([-180, -90, 180, 90]), pystac.TemporalExtent([[WHEN, None]]))


def item(name: str, image: Path | str, **properties: Any) -> pystac.Item:
    """An Item with one asset, `visual`."""
    made = pystac.Item(name, SQUARE, [10, 45, 11, 46], WHEN, properties)
    made.add_asset("visual", pystac.Asset(str(image), media_type=pystac.MediaType.PNG, roles=["visual"]))
    return made


def write_item_collection(path: Path, items: list[pystac.Item]) -> Path:
    """A GeoJSON FeatureCollection of Items; hrefs are written as they are."""
    pystac.ItemCollection(items).save_object(str(path))
    return path


def write_catalogue(folder: Path, items: dict[str, list[pystac.Item]]) -> Path:
    """A self-contained catalogue of Collections, by id, each with its Items; the path of its `catalog.json`."""
    catalogue = pystac.Catalog("everything", "all of it")
    for name, members in items.items():
        collection = pystac.Collection(name, f"about {name}", EXTENT)
        collection.add_items(members)
        catalogue.add_child(collection)
    catalogue.normalize_and_save(str(folder), CatalogType.SELF_CONTAINED)
    return folder / "catalog.json"
