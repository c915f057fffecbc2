"""The input files of a child program, a manifest and arrays, validated when they are read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from models.bundle.card import ModelCard
from models.bundle.files import LEARNED_FILE
from models.bundle.manifest import ARCHIVE, MANIFEST, Manifest
from models.bundle.verify import read_card
from models.evaluation.metrics.relevance import LabelSets
from models.heads.errors import HeadError


@dataclass(frozen=True, slots=True)
class PairInputs:
    """Input of a matcher for E labelled tiles. rows: (E,) int64, their rows among the N tiles, ascending. pairs: (E, P)
    uint8. pixels: (E, S, S, B) uint8. Both are memory-mapped."""

    rows: NDArray[np.int64]
    pairs: NDArray[np.uint8]
    pixels: NDArray[np.uint8]

    def take(self, places: NDArray[np.intp]) -> PairInputs:
        """Inputs of some of the tiles."""
        return PairInputs(self.rows[places], self.pairs[places], self.pixels[places])


class ArchiveInputs(NamedTuple):
    """A sample of the unlabelled tiles. rows: (A,) int64, their rows among the N tiles, ascending. pairs: (A, P) uint8,
    memory-mapped, None without a matcher."""

    rows: NDArray[np.int64]
    pairs: NDArray[np.uint8] | None = None


@dataclass(frozen=True, slots=True)
class Inputs:
    """N tiles of a collection. card: of the bundle. labels: (N, C) bool. held_out: (N,) bool, never trained on. places: (N,)
    int64, equal for labelled tiles of one place. embeddings: (N, D) float32, L2-normalised. features: (N, F) float16,
    memory-mapped, None if not stored. matcher: None if the model has no matcher or no pixels are available. archive: unlabelled
    tiles."""

    folder: Path
    manifest: Manifest
    card: ModelCard
    labels: NDArray[np.bool_]
    held_out: NDArray[np.bool_]
    places: NDArray[np.int64]
    embeddings: NDArray[np.float32]
    features: NDArray[np.float16] | None
    matcher: PairInputs | None
    archive: ArchiveInputs

    @property
    def is_labelled(self) -> NDArray[np.bool_]:
        """(N,) bool: whether a tile has a label."""
        return np.asarray(self.labels.any(axis=1))

    def held_out_rows(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Rows of held-out labelled tiles: those whose place has no training tile, and all of them."""
        rows = np.flatnonzero(self.is_labelled & self.held_out)
        trained = self.places[self.is_labelled & ~self.held_out]
        return rows[~np.isin(self.places[rows], trained)], rows

    def label_sets(self, rows: NDArray[np.integer[Any]]) -> LabelSets:
        """The labels of some tiles."""
        return LabelSets(self.manifest.classes, self.labels[rows])

    def name_counts(self, rows: NDArray[np.integer[Any]]) -> dict[str, int]:
        """Number of these tiles by label, without labels that none of them has."""
        counts = self.labels[rows].sum(axis=0)
        return {name: int(count) for name, count in zip(self.manifest.classes, counts, strict=True) if count}


def read_inputs(folder: Path) -> Inputs:
    """Read `manifest.json`, `labels.npy`, `held_out.npy`, `embeddings.npy`, and `places.npy`, `features.npy`, the matcher's and
    the archive's where present. Without `places.npy` every tile is a place of its own.

    Raises:
        HeadError: a file is missing, unreadable, or does not fit the others. BundleError: the bundle is invalid.
    """
    manifest = _read_manifest(folder / MANIFEST)
    card = read_card(manifest.bundle)
    labels = _load(folder / "labels.npy", np.bool_, (None, len(manifest.classes)))
    count = len(labels)
    embeddings = _load(folder / "embeddings.npy", np.float32, (count, card.dimension))
    features = None
    if (folder / "features.npy").exists():
        features = _load(folder / "features.npy", np.float16, (count, card.feature_dimension), on_disk=True)
    return Inputs(
        folder=folder,
        manifest=manifest,
        card=card,
        labels=labels,
        held_out=_load(folder / "held_out.npy", np.bool_, (count,)),
        places=_read_places(folder / "places.npy", count),
        embeddings=embeddings,
        features=features,
        matcher=_read_matcher(folder, card, count),
        archive=_read_archive(folder, card, labels),
    )


def _read_places(path: Path, count: int) -> NDArray[np.int64]:
    return _load(path, np.int64, (count,)) if path.exists() else np.arange(count)


def read_learned_tiles(folder: Path) -> NDArray[np.uint8] | None:
    """(L, 16) UUIDs of the tiles whose labels training may learn; None if they were not written.

    Raises:
        HeadError: the file cannot be read, or has another shape.
    """
    path = folder / LEARNED_FILE
    return _load(path, np.uint8, (None, 16)) if path.exists() else None


def _read_matcher(folder: Path, card: ModelCard, count: int) -> PairInputs | None:
    if card.matcher is None or not (folder / "rows.npy").exists():
        return None
    rows = _load(folder / "rows.npy", np.int64, (None,))
    if len(rows) == 0:
        return None
    if rows.min() < 0 or rows.max() >= count or len(np.unique(rows)) != len(rows):
        raise HeadError(f"rows.npy: rows must be different and within 0..{count - 1}")
    tile = (card.input_size, card.input_size, len(card.bands))
    pairs = _load(folder / "pairs.npy", np.uint8, (len(rows), card.pair_dimension), on_disk=True)
    pixels = _load(folder / "pixels.npy", np.uint8, (len(rows), *tile), on_disk=True)
    return PairInputs(rows, pairs, pixels)


def _read_archive(folder: Path, card: ModelCard, labels: NDArray[np.bool_]) -> ArchiveInputs:
    unlabelled = np.flatnonzero(~labels.any(axis=1))
    if card.matcher is None:
        return ArchiveInputs(evenly(unlabelled, ARCHIVE))
    if not (folder / "archive_rows.npy").exists():
        return ArchiveInputs(np.zeros(0, np.int64))
    rows = _load(folder / "archive_rows.npy", np.int64, (None,))
    if not np.isin(rows, unlabelled).all():
        raise HeadError("archive_rows.npy: rows must be those of unlabelled tiles")
    return ArchiveInputs(rows, _load(folder / "archive_pairs.npy", np.uint8, (len(rows), card.pair_dimension), on_disk=True))


def evenly(rows: NDArray[np.integer[Any]], most: int) -> NDArray[np.int64]:
    """At most `most` of the rows, evenly spaced."""
    chosen = np.linspace(0, len(rows), min(most, len(rows)), endpoint=False).astype(np.intp)
    return np.asarray(rows[chosen], np.int64)


def _read_manifest(path: Path) -> Manifest:
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except OSError as error:
        raise HeadError(f"{path.name}: cannot be read ({error.strerror})") from None
    except ValidationError as error:
        first = error.errors()[0]
        raise HeadError(f"{path.name}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def _load(path: Path, dtype: type[Any], shape: tuple[int | None, ...], *, on_disk: bool = False) -> NDArray[Any]:
    """Load an array and check its dtype and shape; None: any length. on_disk: memory-mapped."""
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r" if on_disk else None, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise HeadError(f"{path.name}: cannot be read ({error})") from None
    fits = array.ndim == len(shape) and all(wanted in (None, found) for wanted, found in zip(shape, array.shape, strict=True))
    if array.dtype != dtype or not fits:
        wanted = " x ".join("any" if each is None else str(each) for each in shape)
        found = " x ".join(map(str, array.shape))
        raise HeadError(f"{path.name}: {array.dtype} of {found}; the model and the tiles need {np.dtype(dtype)} of {wanted}")
    return array
