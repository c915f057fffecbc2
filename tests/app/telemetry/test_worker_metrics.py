"""The metrics of the processes of a worker, served by the parent process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.errors import ConfigError
from app.settings import load_settings
from app.telemetry.worker_metrics import FOLDER, prepare_metrics, serve_metrics
from tests.support.process import ROOT, environment

PROGRAM = """
import os, sys, urllib.request
from pathlib import Path
from app.settings import Settings
from app.telemetry.metrics import TILES_INDEXED
from app.telemetry.worker_metrics import serve_metrics

port = serve_metrics(Settings(home=Path(sys.argv[1]), metrics_address="127.0.0.1:0"))
children = []
for number in (1, 2):
    child = os.fork()
    if child == 0:
        TILES_INDEXED.inc(number)
        os._exit(0)
    children.append(child)
for child in children:
    os.waitpid(child, 0)
print(urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics").read().decode())
"""


def test_all_processes_count_together(tmp_path: Path) -> None:
    env = environment()
    prepare_metrics(load_settings({"DYAD_METRICS_ADDRESS": "127.0.0.1:0"}, home=tmp_path), env, os.getpid())
    assert env[FOLDER] == str(tmp_path / f"metrics-{os.getpid()}")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)], cwd=ROOT, env=env, capture_output=True, text=True, check=True
    )
    assert "dyad_tiles_indexed_total 3.0" in done.stdout


def test_nobody_asked_so_nothing_is_served(tmp_path: Path) -> None:
    env: dict[str, str] = {}
    settings = load_settings({}, home=tmp_path)
    prepare_metrics(settings, env, 1)
    assert (env, serve_metrics(settings), list(tmp_path.iterdir())) == ({}, None, [])


@pytest.mark.parametrize("address", ["9100", "host", "host:port", ":", "host:99999"])
def test_an_address_has_a_host_and_a_port(address: str) -> None:
    with pytest.raises(ConfigError, match="DYAD_METRICS_ADDRESS"):
        load_settings({"DYAD_METRICS_ADDRESS": address})
