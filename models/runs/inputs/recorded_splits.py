"""The training images of a model: recorded in its card, and found again for an evaluation. Free of torch.

A split is a function of the images, the share and the seed, so a card records these, and the images by a digest of their
hashes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from models.data.errors import DataError
from models.data.folders import ImageList
from models.data.samplers import Indices
from models.data.splits import split_fraction
from models.runs.inputs.material import Material, rename_classes


class TrainedOn(NamedTuple):
    """A card's record of a data set whose images were found.

    name: of the data set in the card. images: as they were split. seed, fraction: of the split.
    """

    name: str
    images: ImageList
    seed: int
    fraction: float

    def hashes(self, fraction: float | None = None, seed: int | None = None) -> frozenset[str]:
        """Hashes of the training images; those of another split if another share or seed is given."""
        share = self.fraction if fraction is None else fraction
        chosen = split_fraction(self.images.labels, self.images.groups, share, self.seed if seed is None else seed)
        return frozenset(self.images.hashes[row] for row in chosen.train)


def describe_splits(
    material: Material,
    *,
    seed: int,
    train_fraction: float,
    validation_fraction: float = 0.0,
    same_class: Mapping[str, str] | None = None,
    without_classes: Collection[str] = (),
) -> dict[str, Any]:
    """Record how `material` was split, for the card; the other arguments are those of `load_material`."""
    sets = {}
    for number, name in enumerate(material.names):
        rows = np.flatnonzero(material.sources == number)
        parts = {"train": material.train, "validation": material.validation, "test": material.test}
        counts = {part: len(material.of(name, indices)) for part, indices in parts.items()}
        sets[name] = {"images": len(rows), "digest": _digest(material.images.hashes[row] for row in rows), **counts}
    return {
        "seed": seed,
        "train_fraction": train_fraction,
        "validation_fraction": validation_fraction,
        "same_class": dict(same_class or {}),
        "without_classes": sorted(without_classes),
        "classes": list(material.images.classes),
        "sets": sets,
    }


def trained_on(splits: Mapping[str, Any], images: ImageList) -> TrainedOn | None:
    """The record of exactly these images in a card's `splits`, None without one.

    images: of a whole folder, with the folder's own classes.
    """
    sets = splits.get("sets")
    if not isinstance(sets, Mapping):
        return None
    try:
        renamed = rename_classes(images, splits.get("same_class", {}))
        kept = renamed.without_classes(set(splits.get("without_classes", ())) & set(renamed.classes))
        digest = _digest(kept.hashes)
        for name, record in sets.items():
            if record["digest"] == digest:
                return TrainedOn(name, kept, int(splits["seed"]), float(splits["train_fraction"]))
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"the card's splits are invalid ({error!r}); give --seed") from None
    return None


def history(splits: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """A card's splits, and those of the models that it was trained from."""
    while splits:
        yield splits
        splits = splits.get("before", {})


def rows_with(images: ImageList, hashes: Collection[str]) -> Indices:
    """Indices of the images whose hashes are among these."""
    return np.flatnonzero([digest in hashes for digest in images.hashes]).astype(np.int64)


def _digest(hashes: Iterable[str]) -> str:
    return hashlib.sha256("".join(sorted(hashes)).encode()).hexdigest()
