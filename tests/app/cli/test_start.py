"""The command line starts without httpx and the libraries of the service, which take half a second to import."""

from __future__ import annotations

import subprocess
import sys

from tests.support.process import ROOT, environment

NOT_FOR_HELP = {"fastapi", "httpx", "onnxruntime", "rasterio", "scipy", "qdrant_client", "numpy"}


def test_slow_libraries_are_not_imported_for_the_help() -> None:
    program = "import sys, app.cli; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment(), capture_output=True, text=True, check=True
    )
    assert "app.cli.client.connect" in done.stdout.split()
    assert not NOT_FOR_HELP & set(done.stdout.split())
