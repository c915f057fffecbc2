"""The files that a child program is given, made of tiles by a bundle's own graphs, for tests and benchmarks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from models.bundle.manifest import ARCHIVE
from models.bundle.runtime import OnnxEncoder
from models.bundle.verify import read_card
from models.heads.input_files import evenly
from tests.support.tiles import CLASSES, Tiles

MOST_PIXELS = 2000
FAST = {"rounds": 3, "steps": 5}
"""A recipe for tests."""


class Encoded(NamedTuple):
    """What a bundle makes of N tiles: features (N, F) float16, embeddings (N, D) float32, pairs (N, P) uint8."""

    features: NDArray[np.float16]
    embeddings: NDArray[np.float32]
    pairs: NDArray[np.uint8]


class Pixels(Protocol):
    """(N, S, S, B) uint8 tiles, of which some rows are asked for."""

    def __getitem__(self, rows: NDArray[np.int64], /) -> NDArray[np.uint8]: ...


def encode(bundle: Path, pixels: NDArray[np.uint8], threads: int = 1) -> Encoded:
    """By a bundle that has a matcher. pixels: (N, S, S, B)."""
    scale = read_card(bundle).scaling
    encoder = OnnxEncoder(bundle / "encoder.onnx", scale.mean, scale.std, threads=threads)
    parts = [encoder(pixels[start : start + 128], ("feature", "embedding", "pair")) for start in range(0, len(pixels), 128)]
    features, embeddings, pairs = (np.concatenate([each[name] for each in parts]) for name in ("feature", "embedding", "pair"))
    return Encoded(features.astype(np.float16), embeddings, pairs)


def write_inputs(
    folder: Path,
    bundle: Path,
    encoded: Encoded,
    pixels: Pixels,
    labels: NDArray[np.bool_],
    classes: Sequence[str],
    held_out: NDArray[np.bool_],
    **manifest: Any,
) -> Path:
    """Write what `models.heads.train` and `models.heads.evaluate` read; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    fields = {"id": "learned-1", "title": "Learned", "bundle": str(bundle), "classes": list(classes), "seed": 0, "recipe": {}}
    (folder / "manifest.json").write_text(json.dumps(fields | manifest))
    rows = np.flatnonzero(labels.any(axis=1))[:MOST_PIXELS].astype(np.int64)
    archive = evenly(np.flatnonzero(~labels.any(axis=1)), ARCHIVE)
    arrays: dict[str, NDArray[Any]] = {
        "features": encoded.features,
        "embeddings": encoded.embeddings,
        "labels": labels,
        "held_out": held_out,
        "rows": rows,
        "pairs": encoded.pairs[rows],
        "pixels": pixels[rows],
        "archive_rows": archive,
        "archive_pairs": encoded.pairs[archive],
    }
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    return folder


class Workshop:
    """Tiles that a bundle has encoded once, and a folder of inputs for every run."""

    def __init__(self, root: Path, bundle: Path, tiles: Tiles) -> None:
        self.root, self.bundle, self.tiles = root, bundle, tiles
        self.encoded = encode(bundle, tiles.pixels)
        self.held_out = np.arange(len(tiles.pixels)) % 5 == 0

    def folder(self, name: str, labels: NDArray[np.bool_] | None = None, classes: Sequence[str] = CLASSES, **more: Any) -> Path:
        """A folder of that name. labels: other than the tiles' own. more: fields of the manifest."""
        tiles, fields = self.tiles, {"title": "Textures", "recipe": FAST, "collection": "textures", **more}
        flags = tiles.labels if labels is None else labels
        folder, held_out = self.root / name, self.held_out
        return write_inputs(folder, self.bundle, self.encoded, tiles.pixels, flags, classes, held_out, **fields)
