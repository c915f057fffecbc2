"""How a run tells what it does: reports, and the interface of those who listen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class RunReport:
    """A run begins.

    start: the update it starts at, above 0 when it was resumed. precision: what it computes in, fp32 or bf16.
    """

    epochs: int
    steps_per_epoch: int
    start: int
    precision: str = "fp32"


@dataclass(frozen=True, slots=True)
class StepReport:
    """step: updates done. losses: means since the last report. rate: learning rate. speed: images/s of this process."""

    step: int
    losses: Mapping[str, float]
    rate: float
    speed: float


@dataclass(frozen=True, slots=True)
class EpochReport:
    """epoch: epochs done. step: updates done. losses: means over the epoch. metrics: of validation.

    watched: the number that decides what is best. is_best: whether it is the best so far. seconds: without validation.
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
    """How a run ended: after all epochs, by early stopping, or because it was told to. best: the best watched number."""

    reason: Literal["finished", "stopped early", "interrupted"]
    step: int
    best: float


class Callback:
    """Listens to a run, in the main process only. Override what you need; an exception ends the run."""

    def on_start(self, report: RunReport) -> None:
        """The run begins."""

    def on_step(self, report: StepReport) -> None:
        """Some updates are done."""

    def on_epoch(self, report: EpochReport) -> None:
        """An epoch is done and validated, and its checkpoint written."""

    def on_end(self, outcome: Outcome) -> None:
        """The run ends."""

    def close(self) -> None:
        """Called in any case, after an error too."""
