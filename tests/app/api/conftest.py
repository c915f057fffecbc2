"""One service for all tests of the API; every test creates its own collections."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.scheduled import Scheduled
from tests.support.service import Service, running_service


@pytest.fixture(scope="session")
def read_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that DYAD_READ_ROOTS names."""
    return tmp_path_factory.mktemp("roots")


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory, read_root: Path) -> Iterator[Service]:
    home = tmp_path_factory.mktemp("home")
    with running_service(home, read_roots=(str(read_root),), max_upload_mb=32, max_pixels=50_000_000) as running:
        yield running


_numbers = itertools.count()


@pytest.fixture
def fresh(service: Service) -> Iterator[Callable[..., str]]:
    """A function that creates a collection and returns its id; deleted after the test: open indexes take memory."""
    created: list[str] = []

    def create(**settings: object) -> str:
        name = f"test-{next(_numbers)}"
        service.create(name, **settings)
        created.append(name)
        return name

    yield create
    for name in created:
        service.client.delete(f"/collections/{name}")


@pytest.fixture
def folder(read_root: Path) -> Path:
    """A folder of the test's own, which the service may read."""
    made = read_root / f"folder-{next(_numbers)}"
    made.mkdir()
    return made


@pytest.fixture
def scheduled(service: Service, fresh: Callable[..., str]) -> Scheduled:
    """A collection that can be given a schedule."""
    return Scheduled(service, fresh(model="hog"))
