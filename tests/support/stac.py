"""STAC files on disk, made with pystac, and a small STAC API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

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


@dataclass
class StacApi:
    """A small real STAC API whose pages of one Item each are requested by POST.

    merges: a link to the next page has only what changes in the body. offers_get: the first page may be requested by GET.
    last_link: changes of the link to the next page on the last page, which has none otherwise. bodies: of all searches.
    """

    items: list[dict[str, Any]]
    pictures: dict[str, bytes]
    merges: bool = True
    offers_get: bool = False
    last_link: dict[str, Any] | None = None
    bodies: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""

    def landing(self) -> dict[str, Any]:
        """The landing page."""
        methods = ["POST", "GET"] if self.offers_get else ["POST"]
        links = [{"rel": "search", "href": "search", "method": method, "type": "application/geo+json"} for method in methods]
        conforms = ["https://api.stacspec.org/v1.0.0/item-search"]
        document = {"type": "Catalog", "stac_version": "1.0.0", "id": "api", "description": "pages by POST"}
        return {**document, "conformsTo": conforms, "links": links}

    def page(self, body: dict[str, Any]) -> dict[str, Any] | None:
        """The page that a body asks for; None if the body lacks the conditions of the first page."""
        if "collections" not in body:
            return None
        number = body.get("token", 0)
        changes = {"token": number + 1}
        link: dict[str, Any] | None = {"body": changes, "merge": True} if self.merges else {"body": {**body, **changes}}
        if number == len(self.items) - 1:
            link = None if self.last_link is None else {"merge": True, "body": {"token": 0}, **self.last_link}
        links = [] if link is None else [{"rel": "next", "href": "search", "method": "POST", **link}]
        return {"type": "FeatureCollection", "features": [self.items[number]], "links": links}


@contextmanager
def stac_api(api: StacApi) -> Iterator[StacApi]:
    """Serve an API under /data/ on a free port, and set its `url`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = urlsplit(self.path).path.removeprefix("/data/")
            if name == "search" and api.offers_get:
                self._answer(api.page({"collections": ["s2"]}))
            else:
                self._answer(api.landing() if name == "api" else api.pictures.get(name))

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            api.bodies.append(body)
            self._answer(api.page(body))

        def _answer(self, found: Any) -> None:
            content = found if isinstance(found, bytes) else json.dumps(found).encode()
            self.send_response(400 if found is None else 200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Write no log."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    api.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="stac-api")
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
