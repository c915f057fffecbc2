"""A program of the learning side as a part of a job: arguments in, lines of JSON out."""

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
"""How long a program may take to end by itself: the service waits longer for one that will go on from what it saves."""
ASK_SECONDS = 60.0
MAX_LINE = 1 << 20
KEPT_LINES, KEPT_CHARACTERS = 20, 500
FULL_DISK = 1 << 20


class Line(BaseModel):
    """What a program says in one line of its standard output; the last one holds `result` or `error`.

    progress: percent of the program's own work. error: one line for a person.
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

    translate: makes of a JSON object that the program prints one with the fields of `Line`, None of one that says nothing.

    Raises:
        Cancelled, Interrupted: told to stop; the program has got SIGTERM, and SIGKILL if it did not end.
        OutOfSpace: it failed on a full disk. DyadError: it failed, with its own reason where it gave one.
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
    said = _Said(context, translate)
    with child:
        try:
            _listen(child, said, context.check)
        except BaseException as error:
            _end(child, said, INTERRUPT_SECONDS if isinstance(error, Interrupted) else CANCEL_SECONDS)
            raise
    status = child.returncode
    if status == 0 and said.error is None and said.result is not None:
        return said.result
    raise _failure(context, module, status, said, folder)


def ask_child(module: str, arguments: Sequence[str]) -> dict[str, Any]:
    """Run `python -m module arguments`, a program that answers at once; its result.

    Raises:
        InvalidInput: its own error. Unavailable: it did not answer.
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
        raise Unavailable(f"{module} does not answer; the log of the service has the details") from None
    if line.result is None:
        raise InvalidInput(line.error or f"{module} said nothing")
    return line.result


@dataclass(slots=True)
class _Said:
    """What a program has said so far."""

    context: JobContext
    translate: Translate | None
    result: dict[str, Any] | None = None
    error: str | None = None
    last: deque[str] = field(default_factory=lambda: deque(maxlen=KEPT_LINES))

    def hear(self, text: bytes) -> None:
        """A line of its standard output; one that is no JSON object is chatter."""
        try:
            document = json.loads(text)
            if self.translate is not None and isinstance(document, dict):
                document = self.translate(document)
            if document is None:
                return
            line = Line.model_validate(document)
        except (ValueError, RecursionError, ValidationError):
            self.mutter(text)
            return
        if line.progress is not None:
            self.context.progress(line.progress, line.message, line.counts or None)
        self.result = line.result if line.result is not None else self.result
        self.error = line.error if line.error is not None else self.error

    def mutter(self, text: bytes) -> None:
        """A line for the log only."""
        if line := text.decode(errors="replace").rstrip()[:KEPT_CHARACTERS]:
            self.last.append(line)


def _listen(child: subprocess.Popen[bytes], said: _Said, check: Callable[[], None]) -> None:
    """Hand on what the program prints until it has ended; whatever `check`, called all the while, raises."""
    with selectors.DefaultSelector() as selector:
        for stream, take in ((child.stdout, said.hear), (child.stderr, said.mutter)):
            if stream is not None:
                selector.register(stream, selectors.EVENT_READ, _Lines(take))
        while True:
            check()
            has_ended = child.poll() is not None
            ready = selector.select(0 if has_ended else CHECK_SECONDS)
            if has_ended and not ready:
                return  # a process that it left behind may hold the pipes open
            for key, _ in ready:
                data = os.read(key.fd, 1 << 16)
                key.data.feed(data)
                if not data:
                    selector.unregister(key.fileobj)


class _Lines:
    """Cuts a stream into lines; of one longer than `MAX_LINE` the end is lost."""

    def __init__(self, take: Callable[[bytes], None]) -> None:
        self._take = take
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """The next bytes; none at the end of the stream."""
        for line in self._cut(data):
            self._take(line)

    def _cut(self, data: bytes) -> Iterator[bytes]:
        *lines, self._rest = (self._rest + data).split(b"\n")
        yield from (line[:MAX_LINE] for line in lines)
        self._rest = self._rest[:MAX_LINE]
        if not data and self._rest:
            yield self._rest
            self._rest = b""


def _end(child: subprocess.Popen[bytes], said: _Said, seconds: float) -> None:
    """SIGTERM, and after a while SIGKILL to its whole group."""
    deadline = time.monotonic() + seconds

    def check() -> None:
        if time.monotonic() > deadline:
            raise TimeoutError

    child.terminate()
    try:
        _listen(child, said, check)
    except TimeoutError:
        log.warning("process %d did not end on SIGTERM and is killed", child.pid)
        os.killpg(child.pid, signal.SIGKILL)


def _failure(context: JobContext, module: str, status: int, said: _Said, folder: Path) -> DyadError:
    last = "\n".join(said.last)
    log.error("job %s: %s ended with status %d; the last that it said:\n%s", context.job.id, module, status, last)
    if shutil.disk_usage(folder).free < FULL_DISK or os.strerror(errno.ENOSPC) in last:
        return OutOfSpace("the disk is full; make room and try again")
    own = [line.removeprefix("dyad: ") for line in said.last if line.startswith("dyad: ")]
    if said.error is not None or own:
        return DyadError(" ".join((said.error or own[-1]).split())[:KEPT_CHARACTERS])
    if status == -signal.SIGKILL:
        return DyadError(f"{module} was killed, perhaps because the memory is full")
    return DyadError(f"{module} ended without a result (status {status}); the log of the service has its last lines")
