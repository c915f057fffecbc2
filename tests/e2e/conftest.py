"""Fixtures for page tests: Chromium, and a service in its own process."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
import pytest

from app.domain.models import DEFAULT_MODEL
from app.inference.local_models import BUNDLED
from tests.support.pictures import striped
from tests.support.process import ServeProcess

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

CHROMIUM_ARGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--disable-component-update",
    "--disable-sync",
)
TIMEOUT_MS = 120_000
"""Limit for each action and each expectation on the page."""
JOB_SECONDS = 480
"""Limit for a job on a busy machine."""
JOB_MS = 1000 * JOB_SECONDS
TILES = 45
GROUPS = {"narrow": 6.0, "middle": 12.0, "wide": 24.0}
"""Labels of the tiles, and the width of their stripes in pixels."""
CONTRAST = r"""(element) => {
    const channels = (colour) => colour.match(/[\d.]+/g).map(Number);
    const linear = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    const light = (colour) => {
        const [r, g, b] = channels(colour).slice(0, 3).map((v) => linear(v / 255));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const clear = (node) => (channels(getComputedStyle(node).backgroundColor)[3] ?? 1) === 0;
    let ground = element;
    while (clear(ground)) ground = ground.parentElement;
    const pair = [light(getComputedStyle(element).color), light(getComputedStyle(ground).backgroundColor)];
    return (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
}"""
"""JavaScript function: contrast ratio (WCAG) of the text of an element and its background."""


POLL = "&fields=labels&limit="
"""The page reads the labels on the screen every five seconds, also after a test has stopped the service or deleted the
collection; it handles this, but the browser logs it."""


@dataclass
class Visit:
    """A page, with its requests and its console messages.

    allowed: parts of error messages that a test expects. hosts: other hosts, with ports, that the page may send requests to.
    """

    page: Page
    url: str
    allowed: list[str] = field(default_factory=list)
    hosts: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def open(self, fragment: str = "") -> Page:
        """Go to the page, with a fragment such as `#collection=shapes`."""
        self.page.goto(f"{self.url}/{fragment}")
        return self.page

    def check(self) -> None:
        """Assert that the page logged no unexpected error and sent no request to another host."""
        hosts = {urlsplit(self.url).netloc, *self.hosts}
        elsewhere = [u for u in self.requests if urlsplit(u).scheme not in ("data", "blob") and urlsplit(u).netloc not in hosts]
        assert elsewhere == []
        assert [text for text in self.errors if not any(part in text for part in (*self.allowed, POLL))] == []


@dataclass(frozen=True)
class Archive:
    """A service with the collection `shapes`; `files` are its tiles by file name."""

    url: str
    files: dict[str, bytes]


@pytest.fixture(scope="module")
def browser(require_program: Callable[[str], Path]) -> Iterator[Browser]:
    """A Chromium for the tests of a module. It is closed with the module, because its event loop disturbs asyncio tests."""
    chromium = require_program("chromium")
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=TIMEOUT_MS)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=list(CHROMIUM_ARGS))
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Archive]:
    """A service with the collection `shapes`: striped tiles, labelled by stripe width, in a row, acquired one month apart."""
    files, metadata = _tiles()
    with ServeProcess(tmp_path_factory.mktemp("archive") / "home") as service:
        created = service.client.post("/collections", json={"id": "shapes", "title": "Shapes"})
        assert created.status_code == 201, created.text
        parts = [("files", (name, data)) for name, data in files.items()]
        accepted = service.client.post("/collections/shapes/items", files=parts, data={"metadata": json.dumps(metadata)})
        assert accepted.status_code == 201, accepted.text
        follow_job(service.client, accepted.json()["id"])
        yield Archive(service.url, files)


@pytest.fixture
def empty_service(tmp_path: Path, browser: Browser) -> Iterator[str]:
    """The address of a service without any data."""
    with ServeProcess(tmp_path / "home") as service:
        yield service.url


@pytest.fixture
def visitor(browser: Browser) -> Iterator[Callable[..., Visit]]:
    """Open browser windows on a service; keyword arguments go to the Playwright context. Each window is checked at the end."""
    visits: list[tuple[Visit, BrowserContext]] = []

    def begin(url: str, **options: Any) -> Visit:
        settings: dict[str, Any] = {"viewport": {"width": 1440, "height": 900}, "reduced_motion": "reduce", **options}
        context = browser.new_context(**settings)
        context.set_default_timeout(TIMEOUT_MS)
        page = context.new_page()
        visit = Visit(page, url)
        page.on("request", lambda request: visit.requests.append(request.url))
        page.on(
            "console",
            lambda message: (
                visit.errors.append(f"{message.text} {message.location.get('url', '')}")
                if message.type in ("error", "warning")
                else None
            ),
        )
        page.on("pageerror", lambda error: visit.errors.append(str(error)))
        visits.append((visit, context))
        return visit

    yield begin
    for visit, context in visits:
        context.close()
        visit.check()


@pytest.fixture
def visit_empty(empty_service: str, visitor: Callable[..., Visit]) -> Visit:
    """A window on a service without any data. The service is created first, so that it stops after the window is closed."""
    return visitor(empty_service)


def until(page: Page, holds: Callable[[], bool]) -> None:
    """Wait until a condition holds. `wait_for_function` evaluates its text in the page, which the page's policy forbids."""
    for _ in range(TIMEOUT_MS // 200):
        if holds():
            return
        page.wait_for_timeout(200)
    raise AssertionError("the condition did not hold in time")


def default_title() -> str:
    """The title of the default model."""
    return str(json.loads((BUNDLED / DEFAULT_MODEL / "card.json").read_text())["title"])


def _tiles() -> tuple[dict[str, bytes], dict[str, Any]]:
    files: dict[str, bytes] = {}
    metadata: dict[str, Any] = {}
    for number in range(TILES):
        label = list(GROUPS)[number % len(GROUPS)]
        name = f"{label}-{number:02}.png"
        files[name] = striped(angle=number * 4, period=GROUPS[label], seed=number)
        west = 10 + number * 0.02
        metadata[name] = {
            "labels": [label],
            "bbox": [west, 50.0, west + 0.01, 50.006],
            "datetime": f"{2018 + number // 12}-{number % 12 + 1:02}-15T10:00:00Z",
        }
    return files, metadata


def follow_job(client: httpx.Client, job_id: str) -> None:
    """Follow the events of a job until it ends; assert that it succeeded."""
    with client.stream("GET", f"/jobs/{job_id}/events", timeout=None) as events:
        states = [json.loads(line.removeprefix("data: ")) for line in events.iter_lines() if line.startswith("data: ")]
    assert states[-1]["status"] == "successful", states[-1]


def wait_for_job(url: str, process: str) -> None:
    """Wait until the newest job of a process, such as `train`, ends; assert that it succeeded."""
    deadline = time.monotonic() + JOB_SECONDS
    while time.monotonic() < deadline:
        jobs = httpx.get(f"{url}/jobs", timeout=JOB_SECONDS).json()["jobs"]
        newest = next((job for job in jobs if job["processID"] == process), None)
        if newest and newest["status"] not in ("accepted", "running"):
            assert newest["status"] == "successful", newest
            return
        time.sleep(0.2)
    pytest.fail(f"no job {process!r} ended within {JOB_SECONDS} s")
