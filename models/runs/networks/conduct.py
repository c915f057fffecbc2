"""How a run is conducted, whatever it trains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from models.training.loop.callbacks import Callback
from models.training.loop.distributed import Process


@dataclass(frozen=True, slots=True)
class Conduct:
    """The way through a run that changes nothing of its result.

    folder: of checkpoints, None for none; a run that was cut off goes on from there, and one that is done is only read again.
    checkpoint_every: updates between checkpoints inside an epoch, 0 for none. process: its device, and its place among the
    processes of the run. should_stop: asked after each update; the run is saved and ends.
    """

    folder: Path | None = None
    callbacks: Sequence[Callback] = ()
    checkpoint_every: int = 0
    process: Process = field(default_factory=lambda: Process(torch.device("cpu")))
    should_stop: Callable[[], bool] | None = None
