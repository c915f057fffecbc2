"""Lists of images in a folder, whose sub-folders are the classes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.data.errors import DataError
from models.data.images import SUFFIXES

UNLABELLED = -1


@dataclass(frozen=True, slots=True)
class ImageList:
    """Images in a fixed order.

    paths: N files. labels: (N,) int64, index into `classes`, `UNLABELLED` for none. classes: C names, sorted.
    hashes: N sha256 hex digests of the files' bytes; equal digests are duplicates.
    """

    paths: tuple[Path, ...]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    hashes: tuple[str, ...]

    def __len__(self) -> int:
        """N."""
        return len(self.paths)

    @property
    def groups(self) -> NDArray[np.int64]:
        """(N,) int64: the same number for byte-identical files, numbered in order of appearance."""
        numbers: dict[str, int] = {}
        return np.array([numbers.setdefault(digest, len(numbers)) for digest in self.hashes], dtype=np.int64)

    def take(self, indices: Sequence[int] | NDArray[np.int64]) -> ImageList:
        """The images at `indices`, in that order, with the same classes."""
        picked = [int(i) for i in indices]
        paths, hashes = tuple(self.paths[i] for i in picked), tuple(self.hashes[i] for i in picked)
        return ImageList(paths, self.labels[picked], self.classes, hashes)

    def only_classes(self, names: Iterable[str]) -> ImageList:
        """The images of some classes, labels renumbered over the sorted names (for retrieval of held-out classes).

        Raises:
            DataError: a name is not a class of this list.
        """
        wanted = tuple(sorted(set(names)))
        if unknown := set(wanted) - set(self.classes):
            raise DataError(f"no such classes: {', '.join(sorted(unknown))}; there are {', '.join(self.classes)}")
        renumbered = np.full(len(self.classes) + 1, UNLABELLED, np.int64)
        for number, name in enumerate(wanted):
            renumbered[self.classes.index(name)] = number
        kept = self.take(np.flatnonzero(renumbered[self.labels] != UNLABELLED))
        return ImageList(kept.paths, renumbered[kept.labels], wanted, kept.hashes)

    def without_classes(self, names: Iterable[str]) -> ImageList:
        """The images of all other classes, labels renumbered.

        Raises:
            DataError: a name is not a class of this list.
        """
        dropped = set(names)
        if unknown := dropped - set(self.classes):
            raise DataError(f"no such classes: {', '.join(sorted(unknown))}; there are {', '.join(self.classes)}")
        return self.only_classes(name for name in self.classes if name not in dropped)


def list_class_folders(root: Path) -> ImageList:
    """Every image in `root/CLASS/...`, classes and files sorted; files with other suffixes are left out.

    Raises:
        DataError: no such folder, or no class folder with an image.
    """
    if not root.is_dir():
        raise DataError(f"{root} is not a folder; give a folder with one sub-folder per class")
    by_class = {folder.name: _images_under(folder) for folder in sorted(root.iterdir()) if folder.is_dir()}
    by_class = {name: paths for name, paths in by_class.items() if paths}
    if not by_class:
        raise DataError(f"{root} holds no CLASS/IMAGE file ending in {', '.join(SUFFIXES)}")
    paths = tuple(path for found in by_class.values() for path in found)
    labels = np.repeat(np.arange(len(by_class)), [len(found) for found in by_class.values()]).astype(np.int64)
    return ImageList(paths, labels, tuple(by_class), tuple(map(_digest, paths)))


def list_images(root: Path) -> ImageList:
    """Every image under `root` at any depth, sorted, without labels.

    Raises:
        DataError: no such folder, or no image.
    """
    paths = _images_under(root) if root.is_dir() else []
    if not paths:
        raise DataError(f"{root} holds no file ending in {', '.join(SUFFIXES)}")
    return ImageList(tuple(paths), np.full(len(paths), UNLABELLED, np.int64), (), tuple(map(_digest, paths)))


def concatenate(lists: Sequence[ImageList]) -> ImageList:
    """Concatenate lists; classes of the same name are one class.

    Raises:
        DataError: there is no list.
    """
    if not lists:
        raise DataError("give at least one list of images")
    classes = tuple(sorted({name for each in lists for name in each.classes}))
    labels = []
    for each in lists:
        numbers = np.array([classes.index(name) for name in each.classes] + [UNLABELLED], dtype=np.int64)
        labels.append(numbers[each.labels])
    paths = tuple(path for each in lists for path in each.paths)
    return ImageList(paths, np.concatenate(labels), classes, tuple(digest for each in lists for digest in each.hashes))


def _images_under(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
