"""Log of a run for TensorBoard."""

from __future__ import annotations

from pathlib import Path

from torch.utils.tensorboard.writer import SummaryWriter

from models.training.loop.callbacks import Callback, EpochReport, RunReport, StepReport


class TensorBoardLog(Callback):
    """Scalars `train/*` by step, and `epoch/*` and `validation/*` at the steps where epochs end."""

    def __init__(self, folder: Path) -> None:
        """folder: of the event files; a resumed run hides the steps that it repeats."""
        self._folder = folder
        self._writer: SummaryWriter | None = None

    def on_start(self, report: RunReport) -> None:
        """Open the log."""
        self._writer = SummaryWriter(str(self._folder), purge_step=report.start + 1 if report.start else None)

    def on_step(self, report: StepReport) -> None:
        """Log losses, learning rate and speed."""
        numbers = {**report.losses, "rate": report.rate, "images_per_second": report.speed}
        self._write({f"train/{name}": value for name, value in numbers.items()}, report.step)

    def on_epoch(self, report: EpochReport) -> None:
        """Log means and metrics."""
        self._write({f"epoch/{name}": value for name, value in report.losses.items()}, report.step)
        self._write({f"validation/{name}": value for name, value in report.metrics.items()}, report.step)

    def close(self) -> None:
        """Write buffered events."""
        if self._writer is not None:
            self._writer.close()

    def _write(self, numbers: dict[str, float], step: int) -> None:
        if self._writer is not None:
            for name, value in numbers.items():
                self._writer.add_scalar(name, value, step)
