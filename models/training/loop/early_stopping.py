"""Stop when a value has not improved for some epochs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal


@dataclass
class EarlyStopping:
    """Early stopping on one value.

    patience: epochs without improvement after which to stop, None for never. mode: what is better. best, waited: the state.
    """

    patience: int | None
    mode: Literal["min", "max"] = "min"
    best: float = math.nan
    waited: int = 0

    def improves(self, value: float) -> bool:
        """Record an epoch's value; returns whether it is the best so far, which NaN never is."""
        is_better = value < self.best if self.mode == "min" else value > self.best
        if is_better or (math.isnan(self.best) and not math.isnan(value)):
            self.best, self.waited = value, 0
            return True
        self.waited += 1
        return False

    @property
    def should_stop(self) -> bool:
        """Whether the patience is exhausted."""
        return self.patience is not None and self.waited >= self.patience

    def state(self) -> dict[str, Any]:
        """The state for `restore`."""
        return {"best": self.best, "waited": self.waited}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a state."""
        self.best, self.waited = float(state["best"]), int(state["waited"])
