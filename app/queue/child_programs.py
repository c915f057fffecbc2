"""Runs programs of `models` as child processes: arguments in, lines of JSON out."""

from __future__ import annotations

import errno
import json
import logging
import os
import selectors
import shutil
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.errors import DyadError, InvalidInput, OutOfSpace, Unavailable
from app.ports import Interrupted, JobContext, Translate
from app.python_modules import module_command, module_environment

log = logging.getLogger(__name__)

CHECK_SECONDS = 0.2
CANCEL_SECONDS = 3.0
INTERRUPT_SECONDS = 10.0
"""Seconds to wait for a program to end after SIGTERM; longer after an interruption, because it saves a checkpoint."""
ASK_SECONDS = 60.0
MAX_LINE = 1 << 20
KEPT_LINES, KEPT_CHARACTERS = 20, 500
FULL_DISK = 1 << 20


class Line(BaseModel):
    """One line of a program's standard output; the last line contains `result` or `error`.

    progress: percent of the program's work. error: one line for people.
    """

    model_config = ConfigDict(extra="ignore")

    progress: float | None = None
    message: str = ""
    counts: dict[str, int] = Field(default_factory=dict)
    result: dict[str, Any] | None = None
    error: str | None = None


def run_child(
    context: JobContext, module: str, arguments: Sequence[str], *, folder: Path, translate: Translate | None = None
) -> dict[str, Any]:
    """Run `python -m module arguments` in `folder` until it ends, publish its progress, and return its result.

    translate: converts a JSON object that the program prints to the fields of `Line`; None to skip it.

    Raises:
        Cancelled, Interrupted: the job has to stop; the program was ended by SIGTERM, or SIGKILL if it did not end.
        OutOfSpace: it failed because the disk is full. DyadError: it failed; with its own message if it printed one.
    """
    command = module_command("app.queue.run_with_parent", [module, *arguments])
    try:
        child = subprocess.Popen(  # noqa: S603 - our own program
            command,
            cwd=folder,
            env=module_environment(),
            process_group=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    except OSError as error:
        raise Unavailable(f"{module} cannot be started: {error.strerror or error}") from None
    output = _Output(context, translate)
    with child:
        try:
            _read_output(child, output, context.check)
        except BaseException as error:
            _end(child, output, INTERRUPT_SECONDS if isinstance(error, Interrupted) else CANCEL_SECONDS)
            raise
    status = child.returncode
    if status == 0 and output.error is None and output.result is not None:
        return output.result
    raise _failure(context, module, status, output, folder)


def ask_child(module: str, arguments: Sequence[str]) -> dict[str, Any]:
    """Run `python -m module arguments`, a program that ends within `ASK_SECONDS`; return its result.

    Raises:
        InvalidInput: the error that the program printed. Unavailable: it printed no answer.
    """
    try:
        done = subprocess.run(  # noqa: S603 - our own program
            module_command(module, arguments),
            env=module_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=ASK_SECONDS,
            check=False,
        )
        line = Line.model_validate_json(done.stdout.strip().rpartition(b"\n")[2])
    except (OSError, subprocess.TimeoutExpired, ValidationError) as error:
        log.error("%s did not answer: %s", module, error)
        raise Unavailable(f"the program {module} does not answer; see the log of the service") from None
    if line.result is None:
        raise InvalidInput(line.error or f"the program {module} printed neither a result nor an error")
    return line.result


@dataclass(slots=True)
class _Output:
    """The output of a program so far. last: the last lines that are not JSON objects, for the log."""

    context: JobContext
    translate: Translate | None
    result: dict[str, Any] | None = None
    error: str | None = None
    last: deque[str] = field(default_factory=lambda: deque(maxlen=KEPT_LINES))

    def take_stdout(self, text: bytes) -> None:
        """Handle a line of standard output; a line that is not a JSON object is kept for the log only."""
        try:
            document = json.loads(text)
            if self.translate is not None and isinstance(document, dict):
                document = self.translate(document)
            if document is None:
                return
            line = Line.model_validate(document)
        except (ValueError, RecursionError, ValidationError):
            self.take_stderr(text)
            return
        if line.progress is not None:
            self.context.progress(line.progress, line.message, line.counts or None)
        self.result = line.result if line.result is not None else self.result
        self.error = line.error if line.error is not None else self.error

    def take_stderr(self, text: bytes) -> None:
        """Keep a line for the log."""
        if line := text.decode(errors="replace").rstrip()[:KEPT_CHARACTERS]:
            self.last.append(line)


def _read_output(child: subprocess.Popen[bytes], output: _Output, check: Callable[[], None]) -> None:
    """Read the output of a program until it has ended. check: called regularly; may raise."""
    with selectors.DefaultSelector() as selector:
        for stream, take in ((child.stdout, output.take_stdout), (child.stderr, output.take_stderr)):
            if stream is not None:
                selector.register(stream, selectors.EVENT_READ, _Lines(take))
        while True:
            check()
            has_ended = child.poll() is not None
            ready = selector.select(0 if has_ended else CHECK_SECONDS)
            if has_ended and not ready:
                return  # do not wait for the end of the pipes: a process that it started may hold them open
            for key, _ in ready:
                data = os.read(key.fd, 1 << 16)
                key.data.feed(data)
                if not data:
                    selector.unregister(key.fileobj)


class _Lines:
    """Splits a stream into lines, truncated to `MAX_LINE` bytes."""

    def __init__(self, take: Callable[[bytes], None]) -> None:
        self._take = take
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """Add bytes; empty at the end of the stream."""
        for line in self._cut(data):
            self._take(line)

    def _cut(self, data: bytes) -> Iterator[bytes]:
        *lines, self._rest = (self._rest + data).split(b"\n")
        yield from (line[:MAX_LINE] for line in lines)
        self._rest = self._rest[:MAX_LINE]
        if not data and self._rest:
            yield self._rest
            self._rest = b""


def _end(child: subprocess.Popen[bytes], output: _Output, seconds: float) -> None:
    """Send SIGTERM, and after `seconds` SIGKILL to the process group."""
    deadline = time.monotonic() + seconds

    def check() -> None:
        if time.monotonic() > deadline:
            raise TimeoutError

    child.terminate()
    try:
        _read_output(child, output, check)
    except TimeoutError:
        log.warning("process %d did not end on SIGTERM and is killed", child.pid)
        os.killpg(child.pid, signal.SIGKILL)


def _failure(context: JobContext, module: str, status: int, output: _Output, folder: Path) -> DyadError:
    last = "\n".join(output.last)
    log.error("job %s: %s ended with status %d; its last output:\n%s", context.job.id, module, status, last)
    if shutil.disk_usage(folder).free < FULL_DISK or os.strerror(errno.ENOSPC) in last:
        return OutOfSpace("the disk is full; make room and try again")
    own = [line.removeprefix("dyad: ") for line in output.last if line.startswith("dyad: ")]
    if output.error is not None or own:
        return DyadError(" ".join((output.error or own[-1]).split())[:KEPT_CHARACTERS])
    if status == -signal.SIGKILL:
        return DyadError(f"the program {module} was killed, possibly because the memory is full")
    return DyadError(f"the program {module} ended without a result (status {status}); see the log of the service")
