"""How good an encoder is while it is trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from models.evaluation.metrics import retrieval_metrics
from models.runs.embedder import TrainedEncoder
from models.runs.material import Material


def validation_map(material: Material, pixels: NDArray[np.uint8]) -> Callable[[TrainedEncoder], Mapping[str, float]] | None:
    """mAP of each data set's validation images among themselves (`NAME_map`), and their mean (`map`); None without any.

    pixels: of the material, at the size that is trained on.
    """

    def measure(trained: TrainedEncoder) -> dict[str, float]:
        result = {}
        for name in material.names:
            rows = material.of(name, material.validation)
            found, labels = trained.embed(pixels, rows), material.labels[rows]
            result[f"{name}_map"] = retrieval_metrics(found, labels, found, labels, exclude_self=True).mean_average_precision
        return {**result, "map": float(np.mean(list(result.values())))}

    return measure if len(material.validation) else None
