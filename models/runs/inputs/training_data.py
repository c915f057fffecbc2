"""What a run trains on: which images, which of them with labels, and by which protocol the rest is a test."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from models.data.samplers import Indices
from models.data.splits import split_fraction
from models.evaluation.protocols import Protocol, hr_s2dml, residual_dyad
from models.runs.inputs.material import Material, load_material
from models.runs.inputs.recorded_splits import describe_splits
from models.runs.program import UsageError
from models.runs.progress import Count

TRAIN_FRACTION = 0.8


@dataclass(frozen=True, slots=True)
class DataChoice:
    """Images and how they are divided.

    folders: of class folders, by name. unlabelled: folders of more images. train_fraction: share of each class that is not
    tested on. labelled: share of each class with labels. Of the two, `labelled` alone makes all other images the unlabelled
    part and the test (protocol B); both leave the test out of the unlabelled part; neither is protocol A at 80 %.
    validation: share of all images taken out of the labelled ones. bands: 0-based, None for all.
    """

    folders: dict[str, Path]
    unlabelled: tuple[Path, ...] = ()
    train_fraction: float | None = None
    labelled: float | None = None
    validation: float = 0.0
    seed: int = 0
    without_classes: tuple[str, ...] = ()
    bands: tuple[int, ...] | None = None

    @property
    def protocol(self) -> Protocol:
        """The experiment that this is."""
        if self.labelled is not None and self.train_fraction is None:
            return hr_s2dml(self.labelled)
        return residual_dyad(TRAIN_FRACTION if self.train_fraction is None else self.train_fraction)


@dataclass(frozen=True, slots=True)
class TrainingData:
    """material: all images. rows: (T,) int64, those trained on with labels. unlabelled: (U,) int64, those without."""

    choice: DataChoice
    material: Material
    rows: Indices
    unlabelled: Indices

    @property
    def labels(self) -> Indices:
        """(T,) int64, from 0 without gaps."""
        return np.unique(self.material.labels[self.rows], return_inverse=True)[1].astype(np.int64)

    def describe(self) -> dict[str, Any]:
        """The splits as a card holds them."""
        choice = self.choice
        splits = describe_splits(
            self.material,
            seed=choice.seed,
            train_fraction=choice.protocol.train_fraction,
            validation_fraction=choice.validation,
            without_classes=choice.without_classes,
        )
        return {**splits, "protocol": choice.protocol.name, "labelled": len(self.rows), "unlabelled": len(self.unlabelled)}


def load_training_data(choice: DataChoice, size: int, cache: Path, count: Count) -> TrainingData:
    """List, split and decode. size: pixels per side. cache: of decoded images. count: hears how many are decoded.

    Raises:
        DataError: see `load_material`. UsageError: shares that leave nothing.
    """
    fraction = choice.protocol.train_fraction
    if choice.validation >= fraction:
        raise UsageError(f"--validation {choice.validation:g} leaves nothing of the {fraction:g} that are trained on")
    material = load_material(
        choice.folders,
        size,
        cache,
        train_fraction=fraction,
        validation_fraction=choice.validation,
        seed=choice.seed,
        without_classes=choice.without_classes,
        unlabelled=choice.unlabelled,
        bands=choice.bands,
        progress=count,
    )
    if choice.labelled is None:
        return TrainingData(choice, material, material.train, material.unlabelled)
    if choice.train_fraction is None:
        return TrainingData(choice, material, material.train, np.concatenate([material.test, material.unlabelled]))
    rows, rest = _with_labels(material, choice.labelled / choice.train_fraction, choice.seed)
    return TrainingData(choice, material, rows, np.concatenate([rest, material.unlabelled]))


def _with_labels(material: Material, share: float, seed: int) -> tuple[Indices, Indices]:
    """The training images whose labels may be known, and the others."""
    if share >= 1:
        raise UsageError("--labelled must be below --train-fraction; leave it out to use all labels")
    known, others = [], []
    for name in material.names:
        rows = material.of(name, material.train)
        split = split_fraction(material.labels[rows], material.images.groups[rows], share, seed + 2)
        known.append(rows[split.train])
        others.append(rows[split.test])
    return np.concatenate(known), np.concatenate(others)
