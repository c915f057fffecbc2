"""Which images of a folder query and which are ranked, given what a model's card says of its training. Free of torch."""

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
    """train, test: disjoint int64 indices, together all images. origin: where the split comes from, for people. warnings: why
    the figures may be too good."""

    train: Indices
    test: Indices
    origin: str
    warnings: tuple[str, ...]


def divide(images: ImageList, folder: ImageList, name: str, protocol: Protocol, card: ModelCard, seed: int | None) -> Division:
    """Split as the model's training did, where its card knows these images; anew otherwise.

    images: those to evaluate. folder: all of their folder, with the classes that are left out. name: of the data set. seed:
    None for the card's, or 0.

    Raises:
        DataError: a class is too small to split, or the card's splits cannot be understood.
    """
    records = [found for splits in history(training_record(card).splits) if (found := trained_on(splits, folder)) is not None]
    train, origin = _train_part(images, protocol, records, seed)
    test = np.setdiff1d(np.arange(len(images)), train)
    return Division(train, test, origin, tuple(_warnings(images, test, name, card, records)))


def _train_part(images: ImageList, protocol: Protocol, records: list[TrainedOn], seed: int | None) -> tuple[Indices, str]:
    if protocol.train_fraction == 0:
        return np.zeros(0, np.int64), "none: all images are a test"
    if records:
        used = records[0].seed if seed is None else seed
        rows = rows_with(images, records[0].hashes(protocol.train_fraction, used))
        return rows, f"that of the training, seed {used}" if used == records[0].seed else f"seed {used}, not the training's"
    used = seed or 0
    return split_fraction(images.labels, images.groups, protocol.train_fraction, used).train, f"a new one, seed {used}"


def _warnings(images: ImageList, test: Indices, name: str, card: ModelCard, records: list[TrainedOn]) -> Iterator[str]:
    tested = images.take(test)
    learned = frozenset(digest for record in records for digest in record.hashes())
    if count := len(rows_with(tested, learned)):
        yield f"{count} of the {len(test)} queries were trained on: the figures are too good"
    named = {each.name.casefold() for each in training_record(card).training_sets}
    if not records and name.casefold() in named:
        yield f"the model was trained on {name!r}, its card does not say on which images: the figures may be too good"
