"""The real command on real files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.command import Archive, Dyad, Service, dyad_command, run_command
from tests.support.pictures import striped
from tests.support.process import ServeProcess


@pytest.fixture(scope="session")
def dyad_process() -> Dyad:
    """Runs `dyad ARGS...` to its end in a process of its own; keyword arguments are environment variables."""
    return run_command


@pytest.fixture(scope="session")
def dyad() -> Dyad:
    """The same for what the command says and does: in a process of its own only where it must be."""
    return dyad_command


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Starts `dyad serve` on a free port and a fresh home, and waits until it says where it is; more are its settings."""
    running: list[ServeProcess] = []

    def start(home: Path | None = None, **env: str) -> Service:
        home = home or tmp_path / "served"
        served = ServeProcess(home, None, **env)
        running.append(served)
        return Service(served.process, served.url, home)

    yield start
    for served in running:
        served.kill()


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder `pictures` of two class folders with three PNGs each."""
    folder = tmp_path_factory.mktemp("input") / "pictures"
    for kind, angle in (("stripes", 0), ("slopes", 45)):
        (folder / kind).mkdir(parents=True)
        for seed in range(3):
            (folder / kind / f"{kind}{seed}.png").write_bytes(striped(angle + seed, seed=seed, size=64))
    return folder


@pytest.fixture(scope="session")
def archive(dyad_process: Dyad, pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Archive:
    """Six labelled tiles; tests only read it."""
    home = tmp_path_factory.mktemp("archive") / "home"
    ran = dyad_process("index", "shapes", pictures, "--labels-from-folders", "--json", "--home", home)
    assert ran.code == 0, ran.err
    return Archive(home, ran.json)
