"""The `dyad` command as tests run it, on real files: in a process of its own, or in the test's, which starts no interpreter."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from app.cli import main
from tests.support.process import COMMAND, ROOT, environment

TIMEOUT = 300
NEED_A_PROCESS = frozenset({"serve", "worker", "beat", "train", "evaluate"})
"""Commands that become a service, or hand their own output over to another program."""


@dataclass(frozen=True)
class Ran:
    """What a finished command left."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)

    @property
    def err_lines(self) -> list[str]:
        """The lines on stderr."""
        return self.err.splitlines()


@dataclass(frozen=True)
class Service:
    """A running `dyad serve`."""

    process: subprocess.Popen[str]
    url: str
    home: Path

    def end(self, signal_number: int) -> int:
        """Send a signal and wait; the exit code."""
        self.process.send_signal(signal_number)
        return self.process.wait(TIMEOUT)


Dyad = Callable[..., Ran]


@dataclass(frozen=True)
class Archive:
    """A home with the collection `shapes` of the pictures, and what indexing it printed."""

    home: Path
    result: dict[str, Any]


def dyad_command(*args: object, **env: str) -> Ran:
    """Run `dyad ARGS...` to its end, in a process of its own only where it must be."""
    run = run_command if args and args[0] in NEED_A_PROCESS else call_command
    return run(*args, **env)


def run_command(*args: object, **env: str) -> Ran:
    """Run `dyad ARGS...` to its end in a process of its own."""
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


def call_command(*args: object, **env: str) -> Ran:
    """Run `dyad ARGS...` to its end in this process, with streams, environment, logs and signals of its own."""
    out, err = io.StringIO(), io.StringIO()
    with (
        _as_in_a_new_process(),
        patch.dict(os.environ, environment(**env), clear=True),
        patch.object(sys, "argv", [str(ROOT / "app" / "cli" / "__main__.py"), *map(str, args)]),
        patch.object(sys, "stdin", io.StringIO()),
        contextlib.chdir(ROOT),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as end:
            code = end.code
    assert isinstance(code, int), code
    return Ran(code, out.getvalue(), err.getvalue())


@contextlib.contextmanager
def _as_in_a_new_process() -> Iterator[None]:
    """Nobody else's log handlers, so that an error that is logged is seen; what the command sets is undone."""
    root = logging.getLogger()
    handlers, level, on_term = root.handlers[:], root.level, signal.getsignal(signal.SIGTERM)
    root.handlers[:] = []
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        signal.signal(signal.SIGTERM, on_term)
