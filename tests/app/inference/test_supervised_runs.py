"""A model that does not end is stopped: by its job, by the end of the process, or by the limit of a request."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from app.errors import InvalidBundle, Unavailable
from app.inference import supervised_runs
from app.inference.onnx import OnnxInference
from app.inference.supervised_runs import run_session
from app.ports import Cancelled
from app.ports.stopping import stoppable
from models.bundle.sessions import open_session
from tests.support.bundles import SIZE, tiny_graph, write_bundle
from tests.support.hostile_models import looping_graph

TILES = np.zeros((1, SIZE, SIZE, 3), np.uint8)
MAX_OVERHEAD = 50e-6


@pytest.fixture
def endless(tmp_path: Path) -> OnnxInference:
    return OnnxInference(write_bundle(tmp_path / "endless", looping_graph()), 1)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_dismissed_job_ends_runs_that_do_not_end(tmp_path: Path, threads: int) -> None:
    endless = OnnxInference(write_bundle(tmp_path / "endless", looping_graph()), threads)
    dismissed = threading.Event()

    def check() -> None:
        if dismissed.is_set():
            raise Cancelled("dismissed")

    threading.Timer(1.5, dismissed.set).start()
    begun = time.monotonic()
    with stoppable(check), pytest.raises(Cancelled, match="dismissed"):
        endless.embed(np.repeat(TILES, threads, axis=0))  # a tile for each thread
    assert 1.5 <= time.monotonic() - begun < 5


def test_a_request_has_a_limit(endless: OnnxInference, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervised_runs, "QUERY_SECONDS", 1.5)
    with pytest.raises(Unavailable, match=r"'endless' did not answer within 1.5 s"):
        endless.embed(TILES)


def test_a_job_has_a_limit(endless: OnnxInference, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervised_runs, "JOB_SECONDS", 1.5)
    with stoppable(lambda: None), pytest.raises(InvalidBundle, match=r"did not finish one batch of tiles within 1.5 s"):
        endless.embed(TILES)


def test_a_short_run_of_a_dismissed_job_is_finished(tmp_path: Path) -> None:
    def check() -> None:
        raise Cancelled

    with stoppable(check):
        assert OnnxInference(write_bundle(tmp_path / "a", tiny_graph()), 1).embed(TILES).embedding.shape == (1, 8)


def test_other_runs_go_on_beside_a_stopped_one(endless: OnnxInference, tmp_path: Path) -> None:
    quick = OnnxInference(write_bundle(tmp_path / "quick", tiny_graph()), 1)
    begun = time.monotonic()

    def check() -> None:
        if time.monotonic() - begun > 2:
            raise Cancelled

    def stuck() -> None:
        with stoppable(check), pytest.raises(Cancelled):
            endless.embed(TILES)

    thread = threading.Thread(target=stuck)
    thread.start()
    while thread.is_alive():
        assert quick.embed(TILES).embedding.shape == (1, 8)
    assert time.monotonic() - begun < 10


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_runs_are_watched_after_a_fork(endless: OnnxInference, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    OnnxInference(write_bundle(tmp_path / "quick", tiny_graph()), 1).embed(TILES)  # starts the watching thread here
    monkeypatch.setattr(supervised_runs, "QUERY_SECONDS", 1.5)
    child = os.fork()
    if child == 0:
        try:
            endless.embed(TILES)
        except Unavailable:
            os._exit(7)
        os._exit(1)
    deadline = time.monotonic() + 20
    status = 0
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            break
        time.sleep(0.05)
    else:
        os.kill(child, 9)
        os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 7


def test_the_watch_costs_less_than_50_microseconds(tmp_path: Path) -> None:
    session = open_session(write_bundle(tmp_path / "a", tiny_graph()) / "encoder.onnx", 1)
    inputs = {"tiles": np.zeros((1, 3, SIZE, SIZE), np.float32)}

    def fastest(watched: bool) -> float:
        best = 1.0
        for _ in range(2000):
            begun = time.perf_counter()
            if watched:
                run_session(session, ["embedding"], inputs, model="a")
            else:
                session.run(["embedding"], inputs)
            best = min(best, time.perf_counter() - begun)
        return best

    assert fastest(watched=True) - fastest(watched=False) < MAX_OVERHEAD
