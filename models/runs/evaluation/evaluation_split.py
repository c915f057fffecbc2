"""Split of a folder's images into training and test images, from the splits in a model's card. Free of torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from models.bundle.card import ModelCard
from models.bundle.trained_card import training_record
from models.data.folders import ImageList
from models.data.samplers import Indices
from models.data.splits import split_fraction
from models.evaluation.protocols import Protocol
from models.runs.inputs.recorded_splits import TrainedOn, history, rows_with, trained_on


@dataclass(frozen=True, slots=True)
class Division:
    """train, test: disjoint int64 indices, together all images. origin: source of the split, for people. warnings: reasons
    why the results may be too optimistic."""

    train: Indices
    test: Indices
    origin: str
    warnings: tuple[str, ...]


def divide(images: ImageList, folder: ImageList, name: str, protocol: Protocol, card: ModelCard, seed: int | None) -> Division:
    """Repeat the split of the model's training if its card records these images; otherwise make a new split.

    images: to evaluate. folder: all images of their folder, including classes that are left out. name: of the data set. seed:
    None for the card's, or 0 without one.

    Raises:
        DataError: a class is too small to split, or the card's splits are invalid.
    """
    records = [found for splits in history(training_record(card).splits) if (found := trained_on(splits, folder)) is not None]
    train, origin = _train_part(images, protocol, records, seed)
    test = np.setdiff1d(np.arange(len(images)), train)
    return Division(train, test, origin, tuple(_warnings(images, test, name, card, records)))


def _train_part(images: ImageList, protocol: Protocol, records: list[TrainedOn], seed: int | None) -> tuple[Indices, str]:
    if protocol.train_fraction == 0:
        return np.zeros(0, np.int64), "none: all images are test images"
    if records:
        used = records[0].seed if seed is None else seed
        rows = rows_with(images, records[0].hashes(protocol.train_fraction, used))
        return rows, f"that of the training, seed {used}" if used == records[
            0
        ].seed else f"seed {used}, not that of the training"
    used = seed or 0
    return split_fraction(images.labels, images.groups, protocol.train_fraction, used).train, f"a new split, seed {used}"


def _warnings(images: ImageList, test: Indices, name: str, card: ModelCard, records: list[TrainedOn]) -> Iterator[str]:
    tested = images.take(test)
    learned = frozenset(digest for record in records for digest in record.hashes())
    if count := len(rows_with(tested, learned)):
        yield f"the model was trained on {count} of the {len(test)} queries: the results are too optimistic"
    named = {each.name.casefold() for each in training_record(card).training_sets}
    if not records and name.casefold() in named:
        yield f"the model was trained on {name!r}, but its card does not record the images: the results may be too optimistic"
