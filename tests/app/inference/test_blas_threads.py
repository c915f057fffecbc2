from __future__ import annotations

import subprocess
import sys

from tests.support.process import ROOT

PROGRAM = """
import numpy
from threadpoolctl import threadpool_info, threadpool_limits
threadpool_limits(4)
from app.inference.blas_threads import use_one_blas_thread
use_one_blas_thread()
print([each["num_threads"] for each in threadpool_info() if each["internal_api"] == "openblas"])
"""


def test_products_are_computed_by_one_thread() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "[1]"
