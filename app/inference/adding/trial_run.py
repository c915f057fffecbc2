"""The first run of an added encoder, on two made tiles."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.errors import InvalidBundle
from app.inference.bundles import as_invalid_bundle
from app.inference.supervised_runs import run_session
from models.bundle.card import ModelCard
from models.bundle.graphs import INPUT
from models.bundle.runtime import normalised
from models.bundle.sessions import ORT_ERRORS, one_line, open_session

TILES = 2


@dataclass(frozen=True, slots=True)
class TrialRun:
    """Outputs of the trial tiles by name, TILES rows each. batch: fixed number of tiles of a run, None for any."""

    outputs: dict[str, NDArray[Any]]
    batch: int | None


def trial_tiles(card: ModelCard) -> NDArray[np.uint8]:
    """(TILES, S, S, B) uint8: noise, and a gradient."""
    size, bands = card.input_size, len(card.bands)
    noise = np.random.default_rng(0).integers(0, 256, (size, size, bands), np.uint8)
    row = np.linspace(0, 255, size, dtype=np.uint8)
    return np.stack([noise, np.broadcast_to(row[:, np.newaxis, np.newaxis], noise.shape)])


def run_trial(path: Path, card: ModelCard, tiles: NDArray[np.uint8]) -> TrialRun:
    """Run the graph `path`, whose input is `tiles`, with all its outputs.

    A graph that declares any number of tiles, but runs with one only, gets the batch 1.

    Raises:
        InvalidBundle: it cannot be opened, or fails on the tiles. Unavailable: a run took more than a minute.
    """
    with as_invalid_bundle():
        session = open_session(path, model=card.id)
    names = [each.name for each in session.get_outputs()]
    fixed = session.get_inputs()[0].shape[0]
    inputs = normalised(tiles, card.scaling.mean, card.scaling.std)

    def run(batch: int) -> dict[str, NDArray[Any]]:
        parts = []
        for start in range(0, TILES, batch):
            rows = np.resize(inputs[start : start + batch], (batch, *inputs.shape[1:]))
            found = run_session(session, names, {INPUT: rows}, model=card.id)
            parts.append([np.asarray(each)[: TILES - start] for each in found])
        return {name: np.concatenate(arrays) for name, arrays in zip(names, zip(*parts, strict=True), strict=True)}

    try:
        if isinstance(fixed, int):
            return TrialRun(_rows(run(fixed)), fixed)
        try:
            together = _rows(run(TILES))
        except (*ORT_ERRORS, ValueError):
            together = {}
        return TrialRun(together, None) if together else TrialRun(_rows(run(1)), 1)
    except ORT_ERRORS as error:
        raise InvalidBundle(f"model {card.id!r}: the encoder fails on a tile: {one_line(error, hide=path)}") from None
    except MemoryError:
        raise InvalidBundle(f"model {card.id!r}: the encoder needs too much memory for a tile; use a smaller one") from None


def _rows(outputs: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The outputs that have a row for each tile."""
    return {name: array for name, array in outputs.items() if array.ndim > 0 and len(array) == TILES}
