"""Decoded images of one or more data sets, split into training, validation and test images."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.data.cache import load_pixels
from models.data.errors import DataError
from models.data.folders import UNLABELLED, ImageList, concatenate, list_class_folders, list_images
from models.data.samplers import Indices
from models.data.splits import split_fraction


@dataclass(frozen=True, slots=True)
class Material:
    """N images of one or more data sets, some of them without labels.

    images: their files and classes. pixels: (N, S, S, B) uint8, memory-mapped. sources: (N,) int64, the data set of each,
    an index into `names`, -1 for unlabelled ones. train, validation, test: disjoint, sorted int64 indices of labelled
    images.
    """

    images: ImageList
    pixels: NDArray[np.uint8]
    names: tuple[str, ...]
    sources: Indices
    train: Indices
    validation: Indices
    test: Indices

    @property
    def labels(self) -> Indices:
        """(N,) int64."""
        return np.asarray(self.images.labels, dtype=np.int64)

    def of(self, name: str, rows: Indices) -> Indices:
        """The `rows` that belong to the data set `name`."""
        chosen: Indices = rows[self.sources[rows] == self.names.index(name)]
        return chosen

    @property
    def unlabelled(self) -> Indices:
        """(U,) int64, sorted: the images without labels."""
        return np.flatnonzero(self.labels == UNLABELLED)

    def at_size(self, size: int, cache: Path) -> Material:
        """The same images at another size."""
        pixels = load_pixels(self.images, size, cache)
        return replace(self, pixels=pixels)


def load_material(
    folders: Mapping[str, Path],
    size: int,
    cache: Path,
    *,
    train_fraction: float,
    validation_fraction: float = 0.0,
    seed: int = 0,
    same_class: Mapping[str, str] | None = None,
    without_classes: Collection[str] = (),
    unlabelled: Sequence[Path] = (),
    bands: tuple[int, ...] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Material:
    """List, split and decode data sets, each a folder of class folders.

    folders: by name of the data set; each is split separately. train_fraction: share of each class, 0..1, that is not for
    testing; validation_fraction: share of all images, taken from these. same_class: new names of classes; classes with the same
    name are merged. without_classes: left out, by their new names; each must be in one of the data sets. unlabelled: folders of
    more images, at any depth, which are not split. bands: 0-based, None for all. progress: called with (done, N) while
    decoding.

    Raises:
        DataError: a folder without classes, a class that is unknown or too small to split, or an image that cannot be read.
    """
    lists = [rename_classes(list_class_folders(path), same_class or {}) for path in folders.values()]
    if unknown := set(without_classes) - {name for each in lists for name in each.classes}:
        raise DataError(f"no data set has the class {', '.join(sorted(unknown))}; check --without-classes")
    lists = [each.without_classes(set(without_classes) & set(each.classes)) for each in lists]
    sources = np.repeat(np.arange(len(lists)), [len(each) for each in lists]).astype(np.int64)
    parts = [_split(each, train_fraction, validation_fraction, seed) for each in lists]
    starts = np.cumsum([0, *map(len, lists[:-1])])
    train, validation, test = (
        np.concatenate([start + part[i] for start, part in zip(starts, parts, strict=True)]) for i in range(3)
    )
    more = [list_images(path) for path in unlabelled]
    sources = np.concatenate([sources, np.full(sum(map(len, more)), UNLABELLED, np.int64)])
    images = concatenate([*lists, *more])
    pixels = load_pixels(images, size, cache, bands=bands, progress=progress)
    return Material(images, pixels, tuple(folders), sources, train, validation, test)


def rename_classes(images: ImageList, names: Mapping[str, str]) -> ImageList:
    """Rename classes; classes with the same name are merged."""
    given = [names.get(name, name) for name in images.classes]
    classes = tuple(sorted(set(given)))
    numbers = np.array([classes.index(name) for name in given], dtype=np.int64)
    return ImageList(images.paths, numbers[images.labels], classes, images.hashes)


def _split(images: ImageList, train: float, validation: float, seed: int) -> Sequence[Indices]:
    outer = split_fraction(images.labels, images.groups, train, seed)
    if not validation:
        return outer.train, np.zeros(0, np.int64), outer.test
    inner = split_fraction(images.labels[outer.train], images.groups[outer.train], 1 - validation / train, seed + 1)
    return outer.train[inner.train], outer.train[inner.test], outer.test
