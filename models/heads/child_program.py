"""Shared by the child programs: lines of JSON on standard output, a clean exit on SIGTERM, errors in one line."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from threadpoolctl import threadpool_limits

from models.bundle.errors import BundleError
from models.evaluation.errors import EvaluationError
from models.heads.errors import HeadError

STOPPED = 128 + signal.SIGTERM
_SECONDS = 0.1


class Stopped(BaseException):
    """SIGTERM arrived. Like KeyboardInterrupt it is not an `Exception`, so that no `except Exception` catches it."""


class Progress:
    """A `ProgressCallback` that prints a line of JSON at most every tenth of a second."""

    def __init__(self) -> None:
        self._printed = float("-inf")

    def __call__(self, percent: float, message: str) -> None:
        """percent: 0 to 100. message: the current step, for people."""
        now = time.monotonic()
        if now - self._printed < _SECONDS:
            return
        self._printed = now
        _print({"progress": round(min(max(percent, 0.0), 100.0), 2), "message": message})


def run_program(description: str, work: Callable[[Path, Progress], Mapping[str, Any]]) -> int:
    """Call `work` with the folder that the command line names and print what it returns; returns the exit status.

    NumPy uses one thread: the matrices are small, and the service needs the other cores for searches.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("folder", type=Path, help="folder of manifest.json and its arrays")
    folder = parser.parse_args().folder
    signal.signal(signal.SIGTERM, _stop)
    try:
        with threadpool_limits(1):
            result = work(folder, Progress())
    except (HeadError, BundleError, EvaluationError) as error:
        return _fail(str(error))
    except MemoryError:
        return _fail("out of memory; use fewer tiles or a machine with more memory")
    except Stopped:
        return STOPPED
    _print({"result": dict(result)})
    return 0


def _stop(_number: int, _frame: FrameType | None) -> NoReturn:
    raise Stopped


def _fail(reason: str) -> int:
    _print({"error": " ".join(reason.split())})
    return 1


def _print(document: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(document, allow_nan=False) + "\n")
    sys.stdout.flush()
