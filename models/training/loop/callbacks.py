"""Callbacks of the training loop, and the reports that they receive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class RunReport:
    """Start of a run.

    start: the first update, above 0 if the run is resumed. precision: fp32 or bf16.
    """

    epochs: int
    steps_per_epoch: int
    start: int
    precision: str = "fp32"


@dataclass(frozen=True, slots=True)
class StepReport:
    """Some updates. step: updates done. losses: means since the last report. rate: learning rate. speed: images/s of this
    process."""

    step: int
    losses: Mapping[str, float]
    rate: float
    speed: float


@dataclass(frozen=True, slots=True)
class EpochReport:
    """An epoch. epoch: epochs done. step: updates done. losses: means over the epoch. metrics: of validation.

    watched: the value that selects the best epoch. is_best: whether it is the best so far. seconds: without validation.
    """

    epoch: int
    step: int
    losses: Mapping[str, float]
    metrics: Mapping[str, float]
    watched: float
    is_best: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended: after all epochs, by early stopping, or by request. best: the best watched value."""

    reason: Literal["finished", "stopped early", "interrupted"]
    step: int
    best: float


class Callback:
    """Base of callbacks, which are called in the main process only; an exception ends the run."""

    def on_start(self, report: RunReport) -> None:
        """The run starts."""

    def on_step(self, report: StepReport) -> None:
        """Some updates are done."""

    def on_epoch(self, report: EpochReport) -> None:
        """An epoch is done and validated, and its checkpoint is written."""

    def on_end(self, outcome: Outcome) -> None:
        """The run ends."""

    def close(self) -> None:
        """Called last, also after an error."""
