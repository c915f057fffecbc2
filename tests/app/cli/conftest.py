"""The real command, in processes of its own, on real files."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.command import COMMAND, ROOT, TIMEOUT, Archive, Dyad, Ran, Service, environment
from tests.support.pictures import striped


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
    """Starts `dyad serve` on a free port and a fresh home, and waits until it says where it is."""
    running: list[subprocess.Popen[str]] = []

    def start(home: Path | None = None) -> Service:
        home = home or tmp_path / "served"
        process = subprocess.Popen(
            [*COMMAND, "serve", "--port", "0", "--home", str(home)],
            cwd=ROOT,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        assert process.stderr is not None
        for line in process.stderr:
            if found := re.search(r"Dyad is at (\S+)", line):
                return Service(process, found[1], home)
        pytest.fail(f"dyad serve ended with {process.wait()}")

    yield start
    for process in running:
        if process.poll() is None:
            process.kill()
            process.wait()
        if process.stderr is not None:
            process.stderr.close()


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
