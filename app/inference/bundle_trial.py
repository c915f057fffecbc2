"""Tries an untrusted bundle in a child process with limits of time and memory, before this process opens its graphs.

Opening a graph may fold constants or allocate without end, which no thread can stop.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import threading
from pathlib import Path

from app.errors import Busy, InvalidBundle, Unavailable
from app.python_modules import module_command, module_environment

log = logging.getLogger(__name__)

TRIAL_SECONDS = 60
TRIAL_BYTES = 4 << 30
BYTES_PER_FILE_BYTE = 6
"""Memory of a trial: `TRIAL_BYTES`, and this multiple of the size of the bundle's files."""
PROGRAM = "app.inference.trial_program"
OUT_OF_MEMORY = "memory"
"""Value of `error` that the program prints when an allocation failed."""
_trying = threading.Lock()


def try_bundle(folder: Path) -> None:
    """Open the graphs of a bundle and embed two tiles in a child process.

    Raises:
        InvalidBundle: the bundle is not valid, took more than `TRIAL_SECONDS`, or needs more memory than the limit.
        Busy: other trials took too long. Unavailable: the program cannot be started.
    """
    memory = TRIAL_BYTES + BYTES_PER_FILE_BYTE * sum(path.stat().st_size for path in folder.iterdir())
    command = module_command(PROGRAM, [str(folder), str(memory), str(TRIAL_SECONDS)])
    # OpenBLAS reserves memory for each core of the machine, which would count.
    environment = {**module_environment(), "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    if not _trying.acquire(timeout=TRIAL_SECONDS):
        raise Busy("other model bundles are being tried; try again in a minute")
    try:
        done = subprocess.run(  # noqa: S603 - our own program
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=TRIAL_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _too_slow() from None
    except OSError as error:
        raise Unavailable(f"the model bundle cannot be tried: {os.strerror(error.errno or 0)}; try again later") from None
    finally:
        _trying.release()
    _check_outcome(done, memory)


def _check_outcome(done: subprocess.CompletedProcess[bytes], memory: int) -> None:
    """Raise the reason unless the program reported success."""
    try:
        answer = json.loads(done.stdout.strip().rpartition(b"\n")[2])
        error = answer.get("error") if isinstance(answer, dict) else ""
    except ValueError:
        error = ""
    if error is None and done.returncode == 0:
        return
    if error == OUT_OF_MEMORY:
        raise InvalidBundle(f"the model needs more than {memory >> 20} MB of memory for two tiles; use a smaller model")
    if error:
        raise InvalidBundle(error)
    if done.returncode == -signal.SIGXCPU:
        raise _too_slow()
    log.warning("the trial of a model bundle ended with status %d", done.returncode)
    raise InvalidBundle(
        f"the model ended ONNX Runtime (status {done.returncode}) when it was tried with {memory >> 20} MB of memory; "
        "check that the graph runs, and export it again"
    )


def _too_slow() -> InvalidBundle:
    return InvalidBundle(f"the model did not finish two tiles within {TRIAL_SECONDS} s; use a smaller model")
