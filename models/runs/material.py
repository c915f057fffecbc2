"""Images of one or several folders, decoded, and which of them are trained on, validated on and tested on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.data.cache import load_pixels
from models.data.folders import ImageList, concatenate, list_class_folders
from models.data.samplers import Indices
from models.data.splits import split_fraction


@dataclass(frozen=True, slots=True)
class Material:
    """N labelled images of one or several data sets.

    images: their files and classes. pixels: (N, S, S, B) uint8, memory-mapped. sources: (N,) int64, the data set of each,
    an index into `names`. train, validation, test: disjoint, sorted int64 indices.
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
        return self.images.labels

    def of(self, name: str, rows: Indices) -> Indices:
        """Those of `rows` that belong to the data set `name`."""
        return rows[self.sources[rows] == self.names.index(name)]

    def at_size(self, size: int, cache: Path) -> Material:
        """The same images at another size."""
        pixels = load_pixels(self.images, size, cache)
        return Material(self.images, pixels, self.names, self.sources, self.train, self.validation, self.test)


def load_material(
    folders: Mapping[str, Path],
    size: int,
    cache: Path,
    *,
    train_fraction: float,
    validation_fraction: float = 0.0,
    seed: int = 0,
    same_class: Mapping[str, str] | None = None,
    bands: tuple[int, ...] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Material:
    """List, split and decode data sets, each a folder of class folders.

    folders: by name of the data set; each is split by itself. train_fraction: share of each class, 0..1, that is not tested
    on; validation_fraction: share of all images that is taken out of it again. same_class: new names of classes; those that
    get one name become one. bands: 0-based, None for all. progress: called with (done, N) while decoding.

    Raises:
        DataError: a folder without classes, a class too small to split, or an image that cannot be read.
    """
    renamed = same_class or {}
    lists = [_rename(list_class_folders(path), renamed) for path in folders.values()]
    sources = np.repeat(np.arange(len(lists)), [len(each) for each in lists]).astype(np.int64)
    parts = [_split(each, train_fraction, validation_fraction, seed) for each in lists]
    starts = np.cumsum([0, *map(len, lists[:-1])])
    train, validation, test = (
        np.concatenate([start + part[i] for start, part in zip(starts, parts, strict=True)]) for i in range(3)
    )
    images = concatenate(lists)
    pixels = load_pixels(images, size, cache, bands=bands, progress=progress)
    return Material(images, pixels, tuple(folders), sources, train, validation, test)


def _rename(images: ImageList, names: Mapping[str, str]) -> ImageList:
    """Classes under new names, equal ones joined."""
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
