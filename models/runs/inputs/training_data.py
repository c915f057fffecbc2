"""The data of a training run: images, the labelled ones among them, and the protocol of the test images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from models.data.samplers import Indices
from models.data.splits import split_fraction
from models.evaluation.protocols import Protocol, hr_s2dml, residual_dyad
from models.runs.command_line import UsageError
from models.runs.inputs.material import Material, load_material
from models.runs.inputs.recorded_splits import describe_splits
from models.runs.progress_output import Count

TRAIN_FRACTION = 0.8


@dataclass(frozen=True, slots=True)
class DataChoice:
    """Images and their split.

    folders: of class folders, by name. unlabelled: folders of more images. train_fraction: share of each class that is not for
    testing. labelled: share of each class with labels. With `labelled` alone all other images are both unlabelled and test
    images (protocol B); with both, test images are not among the unlabelled ones; with neither it is protocol A at 80 %.
    validation: share of all images, taken from the labelled ones. bands: 0-based, None for all.
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
        """The protocol of this split."""
        if self.labelled is not None and self.train_fraction is None:
            return hr_s2dml(self.labelled)
        return residual_dyad(TRAIN_FRACTION if self.train_fraction is None else self.train_fraction)


@dataclass(frozen=True, slots=True)
class TrainingData:
    """material: all images. rows: (T,) int64, labelled training images. unlabelled: (U,) int64, unlabelled training images."""

    choice: DataChoice
    material: Material
    rows: Indices
    unlabelled: Indices

    @property
    def labels(self) -> Indices:
        """(T,) int64 class numbers, from 0 without gaps."""
        return np.unique(self.material.labels[self.rows], return_inverse=True)[1].astype(np.int64)

    def describe(self) -> dict[str, Any]:
        """The splits for a card."""
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
    """List, split and decode. size: pixels per side. cache: of decoded images. count: called with (decoded, total).

    Raises:
        DataError: see `load_material`. UsageError: shares that leave no images.
    """
    fraction = choice.protocol.train_fraction
    if choice.validation >= fraction:
        raise UsageError(f"--validation {choice.validation:g} must be below the training share, {fraction:g}")
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
    """Split the training images into labelled and unlabelled ones."""
    if share >= 1:
        raise UsageError("--labelled must be below --train-fraction; omit it to use all labels")
    known, others = [], []
    for name in material.names:
        rows = material.of(name, material.train)
        split = split_fraction(material.labels[rows], material.images.groups[rows], share, seed + 2)
        known.append(rows[split.train])
        others.append(rows[split.test])
    return np.concatenate(known), np.concatenate(others)
