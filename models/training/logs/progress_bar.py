"""A progress bar in the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from models.training.loop.callbacks import Callback, EpochReport, Outcome, RunReport, StepReport


class ProgressBar(Callback):
    """One bar for the run, and one line for each epoch that is done."""

    def __init__(self, console: Console | None = None) -> None:
        """console: where to draw; standard error by default."""
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=console or Console(stderr=True),
        )
        self._bar: TaskID | None = None
        self._epochs = self._steps_per_epoch = 1

    def on_start(self, report: RunReport) -> None:
        """Show the bar."""
        self._epochs, self._steps_per_epoch = report.epochs, report.steps_per_epoch
        total = report.epochs * report.steps_per_epoch
        self._bar = self._progress.add_task("training", total=total, completed=report.start, note="")
        self._progress.start()

    def on_step(self, report: StepReport) -> None:
        """Update the bar."""
        if self._bar is not None:
            epoch = min(self._epochs, 1 + (report.step - 1) // self._steps_per_epoch)
            note = f"loss {report.losses['loss']:.4f}  {report.speed:.0f} images/s"
            self._progress.update(self._bar, completed=report.step, note=note, description=f"epoch {epoch}/{self._epochs}")

    def on_epoch(self, report: EpochReport) -> None:
        """Print the epoch's numbers above the bar."""
        numbers = {"loss": report.losses["loss"], **report.metrics}
        text = "  ".join(f"{name} {value:.4f}" for name, value in numbers.items())
        mark = "  best so far" if report.is_best else ""
        self._progress.console.print(f"epoch {report.epoch}/{self._epochs}  {text}{mark}", highlight=False)

    def on_end(self, outcome: Outcome) -> None:
        """Print how the run ended."""
        self._progress.console.print(f"{outcome.reason} after {outcome.step} updates, best {outcome.best:.4f}", highlight=False)

    def close(self) -> None:
        """Remove the bar."""
        self._progress.stop()
