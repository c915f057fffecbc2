"""Overlap of a starting model's training images with the test and validation images of a run."""

from __future__ import annotations

from collections.abc import Iterator

from models.bundle.trained_card import TrainedCard
from models.data.folders import list_class_folders
from models.runs.inputs.recorded_splits import history, trained_on
from models.runs.inputs.training_data import TrainingData


def seen_before(card: TrainedCard, data: TrainingData) -> Iterator[str]:
    """A warning for each data set whose test or validation images the model of `card` was trained on."""
    material, choice = data.material, data.choice
    for name, folder in choice.folders.items():
        images = list_class_folders(folder)
        for splits in history(card.splits):
            record = trained_on(splits, images)
            if record is None:
                continue
            learned = record.hashes()
            tested = sum(material.images.hashes[row] in learned for row in material.of(name, material.test))
            if tested:
                yield f"{card.id} was trained on {tested} of the test images of {name}: the results will be too optimistic"
            if choice.validation and splits.get("validation_fraction") != choice.validation:
                yield (
                    f"{card.id} was trained on the validation images of {name}: probabilities will be overconfident; "
                    f"train it with --validation {choice.validation:g}"
                )
