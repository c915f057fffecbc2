"""The learning rate over a run, as a factor of its maximum.

A pure function of the step, so that a checkpoint needs no scheduler state, which torch's schedulers have.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Schedule:
    """A linear warmup, then steps or a cosine.

    kind: "constant"; "step": times `decay` every `decay_every` epochs; "cosine": half a cosine to zero at the last step.
    epochs: length of the run. warmup_epochs: rise linearly over them first; steps count from the start of the run.
    """

    kind: Literal["constant", "step", "cosine"]
    epochs: int
    warmup_epochs: int = 0
    decay: float = 0.5
    decay_every: int = 30

    def factor(self, step: int, steps_per_epoch: int) -> float:
        """The factor in 0..1 of update `step` (from 0)."""
        warmup = self.warmup_epochs * steps_per_epoch
        if step < warmup:
            return (step + 1) / warmup
        if self.kind == "step":
            return float(self.decay ** (step // steps_per_epoch // self.decay_every))
        if self.kind == "cosine":
            progress = (step - warmup) / max(1, self.epochs * steps_per_epoch - warmup)
            return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
        return 1.0
