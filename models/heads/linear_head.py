"""A linear head, which projects a backbone's feature to an embedding."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.heads.fitting.joint_loss import to_unit

ROWS = 4096
"""Features projected at once: 6 MB of float32 for 384 channels."""


@dataclass(frozen=True, slots=True)
class Head:
    """Weights of a head. weight: (D, F) float32. bias: (D,) float32."""

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]

    @property
    def dimension(self) -> int:
        """D of the embedding."""
        return len(self.weight)

    @property
    def feature_dimension(self) -> int:
        """F of the feature."""
        return int(self.weight.shape[1])

    def project(self, features: NDArray[np.floating[Any]], rows: NDArray[np.integer[Any]] | None = None) -> NDArray[np.float32]:
        """(M, D) float32, L2-normalised embeddings of (N, F) features, of all or of M rows, in batches."""
        chosen = np.arange(len(features)) if rows is None else rows
        made = np.empty((len(chosen), self.dimension), dtype=np.float32)
        for start in range(0, len(chosen), ROWS):
            part = np.asarray(features[chosen[start : start + ROWS]], dtype=np.float32)
            made[start : start + ROWS] = to_unit(part @ self.weight.T + self.bias).rows
        return made

    def save(self, path: Path) -> None:
        """Write `weight` and `bias` to a NumPy archive."""
        with path.open("wb") as file:
            np.savez(file, weight=self.weight, bias=self.bias)
