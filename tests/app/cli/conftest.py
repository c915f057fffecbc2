"""The real command, in processes of its own, on real files."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.command import TIMEOUT, Archive, Dyad, Ran, Service
from tests.support.pictures import striped
from tests.support.process import COMMAND, ROOT, ServeProcess, environment


@pytest.fixture(scope="session")
def dyad() -> Dyad:
    """Runs `dyad ARGS...` to its end; keyword arguments are environment variables."""

    def run(*args: object, **env: str) -> Ran:
        done = subprocess.run(
            [*COMMAND, *map(str, args)],
            cwd=ROOT,
            env=environment(**env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    return run


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
def archive(dyad: Dyad, pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Archive:
    """Six labelled tiles; tests only read it."""
    home = tmp_path_factory.mktemp("archive") / "home"
    ran = dyad("index", "shapes", pictures, "--labels-from-folders", "--json", "--home", home)
    assert ran.code == 0, ran.err
    return Archive(home, ran.json)
