"""Page: a base map from another server, and what the policy of the page permits with it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.e2e.conftest import Visit, until
from tests.support.images import jpeg_bytes
from tests.support.process import ServeProcess
from tests.support.web import web_server

if os.environ.get("CI") != "true":
    pytest.importorskip("playwright", reason="needs the Python package playwright (in the extra `dev`)", exc_type=ImportError)
from playwright.sync_api import expect

LOADED = "() => document.querySelectorAll('.leaflet-basemap-pane img.leaflet-tile-loaded').length"


def test_a_base_map_lies_under_the_map(tmp_path: Path, visitor: Callable[..., Visit]) -> None:
    tile = jpeg_bytes(side=256)
    named = "<b>Tiles</b> Ltd"
    paths = {f"/{z}/{x}/{y}.jpg": tile for z in range(5) for x in range(2**z) for y in range(2**z)}
    with (
        web_server(paths) as tiles,
        ServeProcess(
            tmp_path / "home",
            DYAD_BASEMAP_URL=f"{tiles.url}/{{z}}/{{x}}/{{y}}.jpg",
            DYAD_BASEMAP_ATTRIBUTION=named,
        ) as service,
    ):
        assert service.client.post("/collections", json={"id": "shapes"}).status_code == 201
        visit = visitor(service.url)
        visit.hosts.append(urlsplit(tiles.url).netloc)
        page = visit.open("#collection=shapes")
        until(page, lambda: page.evaluate(LOADED) > 0)
        expect(page.locator(".leaflet-control-attribution")).to_contain_text(named)
        policy = service.client.get("/healthz").headers["Content-Security-Policy"]
        assert f"img-src 'self' data: blob: {tiles.url};" in policy
        page.goto("about:blank")
