"""Journeys: what an analyst does with the page, on scenes, at three widths; and probes of the state on the screen.

The scenes are NAIP scenes of the test data where that is present, else drawn ones. Each journey saves what it saw in
`build/journeys`, as `NAME-WIDTH.png`.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.e2e.conftest import Visit, follow_job, until
from tests.support.process import ROOT, ServeProcess
from tests.support.scenes import draw_scenes

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

PICTURES = ROOT / "build" / "journeys"
COLLECTION = "land"
SETTINGS = {"tile_size": 128, "bands": [1, 2, 3]}
PROBE = 12
"""Width and height in pixels to which two pictures are reduced before they are compared."""
SETTLED = """() => [...document.querySelectorAll("img")].filter((image) => {
    const box = image.getBoundingClientRect();
    return box.width && box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
}).every((image) => image.complete)"""
"""JavaScript function: whether all pictures on the screen are loaded."""
FOOTPRINTS = """() => [...document.querySelectorAll("path.footprint")].map((path) => {
    const box = path.getBoundingClientRect();
    return {id: path.dataset.id, box: [box.x, box.y, box.width, box.height]};
})"""

Box = tuple[float, float, float, float]
"""Left, top, width and height in pixels of the page."""
Pixels = NDArray[np.float64]
"""(height, width, 3) values from 0 to 255."""


@dataclass(frozen=True)
class Land:
    """A service whose collection `land` holds scenes of one place; dates: of the scenes, ascending."""

    url: str
    client: httpx.Client
    dates: list[str]

    def tiles(self, **params: Any) -> list[dict[str, Any]]:
        """The features that match parameters of `GET /items`."""
        answer = self.client.get(f"/collections/{COLLECTION}/items", params={"limit": 1000, **params})
        found: list[dict[str, Any]] = answer.raise_for_status().json()["features"]
        return found

    def search(self, **query: Any) -> list[dict[str, Any]]:
        """The features that a search gives, in their order."""
        answer = self.client.post(f"/collections/{COLLECTION}/search", json={"limit": 30, **query})
        found: list[dict[str, Any]] = answer.raise_for_status().json()["features"]
        return found

    def picture(self, item: str) -> Pixels:
        """The thumbnail of a tile."""
        return decoded(self.client.get(f"/collections/{COLLECTION}/items/{item}/thumbnail").raise_for_status().content)


@dataclass(frozen=True)
class Journey:
    """A window on the service at one width."""

    visit: Visit
    width: int
    touch: bool

    @property
    def page(self) -> Page:
        return self.visit.page

    def open(self, fragment: str) -> Page:
        """Go to a fragment of the page, and wait until the outlines of its tiles rest in view."""
        self.visit.open(fragment)
        self.page.locator("path.footprint").first.wait_for()
        self.page.wait_for_load_state("networkidle")
        until(self.page, lambda: all(self.on_map(box) for box in self.footprints().values()))
        return self.page

    def press(self, target: Locator) -> None:
        """Tap on a phone, else click."""
        if self.touch:
            target.tap()
        else:
            target.click()

    def button(self, name: str, **options: Any) -> None:
        """Press the button of a name."""
        self.press(self.page.get_by_role("button", name=name, **options))

    def pixels(self, box: Box | None = None) -> Pixels:
        """The page as it is on the screen, once its pictures are loaded; only a part of it with `box`."""
        until(self.page, lambda: bool(self.page.evaluate(SETTLED)))
        clip = None if box is None else dict(zip(("x", "y", "width", "height"), box, strict=True))
        return decoded(self.page.screenshot(clip=clip))  # type: ignore[arg-type]

    def save(self, name: str) -> None:
        """Save the screen as `NAME-WIDTH.png`. Nothing on it is wider than the window."""
        self.page.wait_for_timeout(150)
        until(self.page, lambda: bool(self.page.evaluate(SETTLED)))
        self.page.mouse.move(1, 1)
        PICTURES.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=PICTURES / f"{name}-{self.width}.png")
        assert self.page.evaluate("document.documentElement.scrollWidth") <= self.width

    def footprints(self) -> dict[str, Box]:
        """Boxes of the outlined tiles by identifier, from the lowest to the one drawn on top."""
        return {each["id"]: tuple(each["box"]) for each in self.page.evaluate(FOOTPRINTS)}

    def box(self, selector: str) -> Box:
        """The box of the first element that a selector finds."""
        found = self.page.locator(selector).first.bounding_box()
        assert found is not None
        return found["x"], found["y"], found["width"], found["height"]

    def on_map(self, box: Box) -> bool:
        """Whether nothing covers the middle and the corners of a part of the map."""
        x, y, width, height = box
        places = [(x + width * a, y + height * b) for a, b in ((0.5, 0.5), (0.1, 0.1), (0.9, 0.1), (0.1, 0.9), (0.9, 0.9))]
        seen = "(places) => places.every(([x, y]) => document.elementFromPoint(x, y)?.closest('#map:not(.leaflet-control)'))"
        return bool(self.page.evaluate(seen, places))

    def shown(self) -> list[str]:
        """Identifiers of the cards, in their order."""
        found: list[str] = self.page.locator(".card").evaluate_all("(cards) => cards.map((card) => card.dataset.id)")
        return found


@pytest.fixture(params=[1440, 1024, 390])
def journey(request: pytest.FixtureRequest, visitor: Callable[..., Visit]) -> Callable[[str], Journey]:
    """Open a window on the address of a service: on a desk, on a small laptop and on a phone."""
    width: int = request.param
    touch = width == 390

    def begin(url: str) -> Journey:
        options: dict[str, Any] = {"viewport": {"width": width, "height": {1440: 900, 1024: 768, 390: 844}[width]}}
        options["permissions"] = ["clipboard-read", "clipboard-write"]
        return Journey(visitor(url, **options, is_mobile=touch, has_touch=touch), width, touch)

    return begin


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """GeoTIFFs of one place on several dates, oldest first; the dates are in their names."""
    data = Path(os.environ.get("DYAD_DATA", ROOT.parent / "shared" / "data"))
    return sorted((data / "multidate" / "naip").glob("*.tif")) or draw_scenes(tmp_path_factory.mktemp("scenes"))


@pytest.fixture(scope="session")
def land(
    scenes: list[Path], require_program: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Land]:
    """A service with the collection `land`. Journeys leave it as they found it."""
    require_program("chromium")
    with ServeProcess(tmp_path_factory.mktemp("land") / "home") as service:
        created = service.client.post("/collections", json={"id": COLLECTION, "title": "Land", **SETTINGS})
        created.raise_for_status()
        sent = service.client.post(
            f"/collections/{COLLECTION}/items", files=[("files", (p.name, p.read_bytes())) for p in scenes]
        )
        follow_job(service.client, sent.raise_for_status().json()["id"])
        known = Land(service.url, service.client, [])
        known.dates.extend(sorted({tile["properties"]["datetime"][:10] for tile in known.tiles()}))
        yield known


def decoded(data: bytes) -> Pixels:
    """The pixels of an image file."""
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"), np.float64)


def likeness(first: Pixels, second: Pixels) -> float:
    """Correlation of the brightness of two pictures of the same place, from -1 to 1; independent of size and stretch."""
    values = [
        np.asarray(Image.fromarray(each.mean(axis=2).astype(np.uint8)).resize((PROBE, PROBE), Image.Resampling.BOX), np.float64)
        for each in (first, second)
    ]
    return float(np.corrcoef(values[0].ravel(), values[1].ravel())[0, 1])


def changed(first: Pixels, second: Pixels, by: float = 12) -> float:
    """The share of pixels that differ clearly."""
    return float((np.abs(first - second).max(axis=2) > by).mean())


def mercator(lon: float, lat: float) -> tuple[float, float]:
    """Web Mercator coordinates, to the right and downwards, in radians."""
    return float(np.radians(lon)), float(-np.arcsinh(np.tan(np.radians(lat))))


def centre(feature: dict[str, Any]) -> tuple[float, float]:
    """Longitude and latitude of the middle of a footprint."""
    lons, lats = zip(*feature["geometry"]["coordinates"][0], strict=True)
    return (min(lons) + max(lons)) / 2, (min(lats) + max(lats)) / 2


def assert_places(boxes: dict[str, Box], features: list[dict[str, Any]]) -> None:
    """Assert that outlines on the screen are where the footprints of their tiles are: one scale and shift fit all of them."""
    places = np.array([mercator(*centre(feature)) for feature in features])
    middles = np.array([(x + width / 2, y + height / 2) for x, y, width, height in (boxes[f["id"]] for f in features)])
    for axis in (0, 1):
        fit = np.polynomial.Polynomial.fit(places[:, axis], middles[:, axis], 1)
        assert np.abs(fit(places[:, axis]) - middles[:, axis]).max() < 2
