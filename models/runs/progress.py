"""How a run tells what it does: bars for people, lines of JSON for programs, nothing. Free of torch."""

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
"""Takes how much of how much is done."""


class Progress:
    """Tells nobody: for all processes of a run but the first."""

    def say(self, text: str) -> None:
        """One line for a person."""

    def event(self, name: str, **fields: Any) -> None:
        """Something for programs only."""

    @contextmanager
    def counting(self, title: str) -> Iterator[Count]:
        """A function that shows how far a step is."""
        yield lambda done, total: None

    def callbacks(self) -> list[Callback]:
        """What listens to a training loop."""
        return []


class TerminalProgress(Progress):
    """Bars and lines on stderr."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)

    def say(self, text: str) -> None:
        """Print it."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    @contextmanager
    def counting(self, title: str) -> Iterator[Count]:
        """A bar that goes away; none where nobody watches."""
        if not self._console.is_terminal:
            yield lambda done, total: None
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Bars(*columns, console=self._console, transient=True) as bars:
            bar = bars.add_task(title, total=None)
            yield lambda done, total: bars.update(bar, completed=done, total=total)

    def callbacks(self) -> list[Callback]:
        """The bar of the training loop."""
        return [ProgressBar(self._console)]


class JsonProgress(Progress, Callback):
    """One object a line on stdout; `event` says which kind: message, counting, start, step, epoch, end and others."""

    def say(self, text: str) -> None:
        """As `message`."""
        self.event("message", text=text)

    def event(self, name: str, **fields: Any) -> None:
        """As it is."""
        sys.stdout.write(json_line(name, fields) + "\n")
        sys.stdout.flush()

    @contextmanager
    def counting(self, title: str) -> Iterator[Count]:
        """As `counting`, about a hundred times at most."""

        def count(done: int, total: int) -> None:
            if done == total or done % max(1, total // 100) == 0:
                self.event("counting", title=title, done=done, total=total)

        yield count

    def callbacks(self) -> list[Callback]:
        """Itself."""
        return [self]

    def on_start(self, report: RunReport) -> None:
        """As `start`."""
        self.event("start", **asdict(report))

    def on_step(self, report: StepReport) -> None:
        """As `step`."""
        self.event("step", **asdict(report))

    def on_epoch(self, report: EpochReport) -> None:
        """As `epoch`."""
        self.event("epoch", **asdict(report))

    def on_end(self, outcome: Outcome) -> None:
        """As `end`."""
        self.event("end", **asdict(outcome))


def make_progress(kind: str) -> Progress:
    """kind: "bars" or "json"."""
    return JsonProgress() if kind == "json" else TerminalProgress()
