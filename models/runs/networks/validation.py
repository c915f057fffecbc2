"""Validation of an encoder during its training."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from models.evaluation.metrics.retrieval import retrieval_metrics
from models.runs.inputs.material import Material
from models.runs.networks.train_embedder import TrainedEncoder


def validation_map(material: Material, pixels: NDArray[np.uint8]) -> Callable[[TrainedEncoder], Mapping[str, float]] | None:
    """mAP of each data set's validation images among themselves (`NAME_map`), and their mean (`map`).

    None unless two validation images are of one class. pixels: of the images, at the training size.
    """
    rows_of = {name: material.of(name, material.validation) for name in material.names}
    rows_of = {name: rows for name, rows in rows_of.items() if len(np.unique(material.labels[rows])) < len(rows)}

    def measure(trained: TrainedEncoder) -> dict[str, float]:
        result = {}
        for name, rows in rows_of.items():
            found, labels = trained.embed(pixels, rows), material.labels[rows]
            result[f"{name}_map"] = retrieval_metrics(found, labels, found, labels, exclude_self=True).mean_average_precision
        return {**result, "map": float(np.mean(list(result.values())))}

    return measure if rows_of else None
