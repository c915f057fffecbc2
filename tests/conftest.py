"""What every test may use."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.qdrant import QdrantProcess, memory_folder
from tests.support.redis import RedisServer
from tests.support.s3 import S3Server

ROOT = Path(__file__).parent.parent
SHIPPED = ROOT / "app" / "inference" / "bundled" / "dyad-rgb-128"
TORCH_FREE = ("conftest.py", "bundle", "evaluation", "heads")
"""Parts of tests/models that need no torch."""
HAS_TORCH = importlib.util.find_spec("torch") is not None


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave out the tests of the networks where torch is not installed; the report's header says so."""
    models = ROOT / "tests" / "models"
    is_of_networks = collection_path.parent == models and collection_path.name not in TORCH_FREE
    return True if is_of_networks and not HAS_TORCH else None


def pytest_configure() -> None:
    """Let commands that tests start be interrupted even where the tests themselves run in the background.

    A shell ignores SIGINT for what it puts there, and children inherit that.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header() -> list[str]:
    """What is left out."""
    return [] if HAS_TORCH else ["torch is not installed: the tests of the networks are left out (`make test` installs it)"]


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real test data: `DYAD_DATA`, else `../shared/data` beside the repository; skips where there is none."""
    folder = Path(os.environ.get("DYAD_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"needs the test data in {folder} (DYAD_DATA names another folder)")
    return folder


@pytest.fixture(scope="session")
def require_program() -> Callable[[str], Path]:
    """A function that finds a program a test drives, or skips by name; with CI=true a missing one is a failure."""

    def find(name: str) -> Path:
        found = shutil.which(name)
        if found is None and os.environ.get("CI") == "true":
            pytest.fail(f"{name} is not installed, and with CI=true its tests must run (`make test` installs it as root)")
        if found is None:
            pytest.skip(f"needs the program {name} (`make test` installs it as root)")
        return Path(found)

    return find


@pytest.fixture(scope="session")
def redis_session(require_program: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One Redis server for all tests that need no more than an empty one."""
    require_program("redis-server")
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def redis_server(redis_session: RedisServer) -> RedisServer:
    """An empty Redis server."""
    redis_session.forget()
    return redis_session


@pytest.fixture(scope="session")
def qdrant_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A vector server that all tests share, each under a prefix of its own: the real one that `DYAD_TEST_QDRANT_URL` names,
    else the test-only one.
    """
    named = os.environ.get("DYAD_TEST_QDRANT_URL", "")
    if named:
        yield named
        return
    with memory_folder(tmp_path_factory) as folder, QdrantProcess(folder) as server:
        yield server.url


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """An S3 server for all tests that want a bucket and leave the server as it is."""
    with S3Server(tmp_path_factory.mktemp("s3") / "log") as server:
        yield server


@pytest.fixture
def s3(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """The same, named in the environment."""
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    return s3_server


@pytest.fixture(scope="session")
def shipped() -> Path:
    """The folder of the bundle `dyad-rgb-128`, a bundled model with features and a matcher; not to be changed."""
    return SHIPPED


@pytest.fixture(scope="session")
def blocky_tiles() -> NDArray[np.uint8]:
    """(6, 128, 128, 3) random tiles of large blocks."""
    coarse = np.random.default_rng(0).integers(0, 256, (6, 16, 16, 3), dtype=np.uint8)
    return coarse.repeat(8, axis=1).repeat(8, axis=2)
