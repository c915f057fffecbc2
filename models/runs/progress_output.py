"""Progress of a run: bars for people, lines of JSON for programs, or nothing. Free of torch."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from models.training.logs.jsonlines import json_line
from models.training.logs.progress_bar import ProgressBar
from models.training.loop.callbacks import Callback, EpochReport, Outcome, RunReport, StepReport

Count = Callable[[int, int], None]
"""Called with (done, total)."""


class Progress:
    """Outputs nothing: for all processes of a run except the first."""

    def say(self, text: str) -> None:
        """Output one line for people."""

    def event(self, name: str, **fields: Any) -> None:
        """Output an event for programs."""

    @contextmanager
    def counting(self, title: str) -> Iterator[Count]:
        """Yield a function that shows the progress of a step."""
        yield lambda done, total: None

    def callbacks(self) -> list[Callback]:
        """Callbacks for the training loop."""
        return []


class TerminalProgress(Progress):
    """Bars and lines on stderr."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)

    def say(self, text: str) -> None:
        """Print the line."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    @contextmanager
    def counting(self, title: str) -> Iterator[Count]:
        """Show a bar until the step ends, if stderr is a terminal."""
        if not self._console.is_terminal:
            yield lambda done, total: None
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Bars(*columns, console=self._console, transient=True) as bars:
            bar = bars.add_task(title, total=None)
            yield lambda done, total: bars.update(bar, completed=done, total=total)

    def callbacks(self) -> list[Callback]:
        """The progress bar of the training loop."""
        return [ProgressBar(self._console)]


class JsonProgress(Progress, Callback):
    """One JSON object a line on stdout; its `event` is message, counting, start, step, epoch, end or another name."""

    def say(self, text: str) -> None:
        """Output `message`."""
        self.event("message", text=text)

    def event(self, name: str, **fields: Any) -> None:
        """Output the event."""
        sys.stdout.write(json_line(name, fields) + "\n")
        sys.stdout.flush()

    @contextmanager
    def counting(self, title: str) -> Iterator[Count]:
        """Output `counting`, at most about a hundred times."""

        def count(done: int, total: int) -> None:
            if done == total or done % max(1, total // 100) == 0:
                self.event("counting", title=title, done=done, total=total)

        yield count

    def callbacks(self) -> list[Callback]:
        """This object, which is a callback."""
        return [self]

    def on_start(self, report: RunReport) -> None:
        """Output `start`."""
        self.event("start", **asdict(report))

    def on_step(self, report: StepReport) -> None:
        """Output `step`."""
        self.event("step", **asdict(report))

    def on_epoch(self, report: EpochReport) -> None:
        """Output `epoch`."""
        self.event("epoch", **asdict(report))

    def on_end(self, outcome: Outcome) -> None:
        """Output `end`."""
        self.event("end", **asdict(outcome))


def make_progress(kind: str) -> Progress:
    """kind: "bars" or "json"."""
    return JsonProgress() if kind == "json" else TerminalProgress()
