"""Options of a run that do not depend on what it trains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from models.training.loop.callbacks import Callback
from models.training.loop.distributed import Process


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Options that do not change the result.

    folder: of checkpoints, None for none; an interrupted run resumes from there, a finished one is only loaded.
    checkpoint_every: updates between checkpoints within an epoch, 0 for none. process: its device, and its rank among the
    processes of the run. should_stop: called after each update; if true, the run saves a checkpoint and ends.
    """

    folder: Path | None = None
    callbacks: Sequence[Callback] = ()
    checkpoint_every: int = 0
    process: Process = field(default_factory=lambda: Process(torch.device("cpu")))
    should_stop: Callable[[], bool] | None = None
