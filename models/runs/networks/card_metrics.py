"""Measurements of a trained encoder on the test images, for the card."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.bundle.trained_card import Measurement
from models.data.samplers import Indices
from models.evaluation.errors import EvaluationError
from models.evaluation.evaluate import Evaluation, evaluate
from models.runs.inputs.material import Material
from models.runs.inputs.training_data import TrainingData
from models.runs.networks.train_embedder import TrainedEncoder
from models.runs.progress_output import Count, Progress

PART = 256
"""Images encoded between two progress reports."""


def measure_test(data: TrainingData, trained: TrainedEncoder, progress: Progress) -> dict[str, Measurement]:
    """Measurements of each data set's test images by the run's protocol; reports and skips a set that cannot be measured."""
    protocol, found = data.choice.protocol, {}
    for name in data.material.names:
        rows, train, test = parts_of(data.material, name)
        with progress.counting(f"evaluating {name}") as count:
            embeddings = embed_in_parts(trained, data.material.pixels, rows, count)
        try:
            evaluation = evaluate(embeddings, data.material.labels[rows], protocol, train, test, seed=data.choice.seed)
        except EvaluationError as error:
            progress.say(f"{name} is not evaluated: {error}")
            continue
        found[name] = Measurement(protocol=f"{protocol.name}: {protocol.description}; float32", values=headline(evaluation))
    return found


def parts_of(material: Material, name: str) -> tuple[Indices, Indices, Indices]:
    """Rows of a data set, and the positions among them of the training (and validation) images and of the test images."""
    seen = np.concatenate([material.of(name, part) for part in (material.train, material.validation)])
    test = material.of(name, material.test)
    return np.concatenate([seen, test]), np.arange(len(seen)), np.arange(len(seen), len(seen) + len(test))


def headline(evaluation: Evaluation) -> dict[str, float]:
    """The measures of the papers' tables, 0..1 each; 0 is the best ANMRR."""
    retrieval, clustering = evaluation.retrieval, evaluation.clustering
    values = {
        "map": retrieval.mean_average_precision,
        "anmrr": retrieval.anmrr,
        "map_at_20": retrieval.map_at_20,
        "p_at_10": retrieval.precision_at.get(10),
        "knn10": retrieval.knn_accuracy,
        "nmi": clustering.nmi,
        "acc": clustering.acc,
    }
    return {name: round(float(value), 5) for name, value in values.items() if value is not None}


def embed_in_parts(trained: TrainedEncoder, pixels: NDArray[np.uint8], rows: Indices, count: Count) -> NDArray[np.float32]:
    """(M, D) float32 embeddings of `pixels[rows]`. count: called with (done, total)."""
    parts = []
    for start in range(0, len(rows), PART):
        parts.append(trained.embed(pixels, rows[start : start + PART]))
        count(min(start + PART, len(rows)), len(rows))
    return np.concatenate(parts)
