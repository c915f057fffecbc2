"""Unlabelled scenes of any number of bands, cut to random windows: food for self-supervision."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from models.data.batches import ImageBatch
from models.data.errors import DataError
from models.data.folders import UNLABELLED
from models.data.images import read_image, to_square
from models.data.samplers import Shard

TRIES = 20


class SceneWindows:
    """Random windows of rasters, as batches that are a pure function of the step.

    A scene is drawn in proportion to its area, then a zoom, then a place. Windows that are mostly nodata (zero in all bands)
    are drawn again. The scenes are kept in memory as uint8.
    """

    def __init__(
        self,
        scenes: Sequence[NDArray[np.uint8]],
        size: int,
        batch_size: int,
        steps_per_epoch: int,
        seed: int,
        *,
        zoom: tuple[float, float] = (1.0, 1.0),
        most_empty: float = 0.3,
        shard: Shard | None = None,
    ) -> None:
        """Draw from `scenes`: (H, W, B) uint8 each, the same B.

        size: side of the result. zoom: the window's side over `size`, log-uniform.
        most_empty: share of nodata pixels above which a window is drawn again (after 20 tries it is taken).

        Raises:
            DataError: no scene, scenes of different bands, or one smaller than the largest window.
        """
        if len({scene.shape[2] for scene in scenes}) != 1:
            raise DataError("give at least one scene, and scenes of the same number of bands")
        largest = round(size * zoom[1])
        if too_small := [scene.shape[:2] for scene in scenes if min(scene.shape[:2]) < largest]:
            raise DataError(f"a scene of {too_small[0][0]} x {too_small[0][1]} pixels is smaller than a {largest} pixel window")
        areas = np.array([scene.shape[0] * scene.shape[1] for scene in scenes], np.float64)
        self._scenes, self._shares = list(scenes), areas / areas.sum()
        self._size, self._batch_size, self._steps, self._seed = size, batch_size, steps_per_epoch, seed
        self._zoom, self._most_empty, self._shard = np.log(zoom), most_empty, shard or Shard()

    @property
    def steps_per_epoch(self) -> int:
        """As given."""
        return self._steps

    def batch(self, step: int) -> ImageBatch:
        """This process's share of batch `step`: labels are -1, indices the scenes' numbers."""
        own = self._shard.of(np.arange(self._batch_size))
        drawn = [self._window(np.random.default_rng([self._seed, step, int(place)])) for place in own]
        images = torch.from_numpy(np.stack([window for window, _ in drawn])).permute(0, 3, 1, 2)
        return ImageBatch(images, torch.full((len(own),), UNLABELLED), torch.tensor([scene for _, scene in drawn]))

    def _window(self, random: np.random.Generator) -> tuple[NDArray[np.uint8], int]:
        for _ in range(TRIES):
            scene = int(random.choice(len(self._scenes), p=self._shares))
            side = round(self._size * float(np.exp(random.uniform(*self._zoom))))
            height, width, _ = self._scenes[scene].shape
            top, left = int(random.integers(height - side + 1)), int(random.integers(width - side + 1))
            window = self._scenes[scene][top : top + side, left : left + side]
            if np.mean(~window.any(axis=2)) <= self._most_empty:
                break
        return to_square(window, self._size), scene


def load_scenes(paths: Sequence[Path], bands: Sequence[int] | None = None) -> list[NDArray[np.uint8]]:
    """Read rasters whole as (H, W, B) uint8; bands: 0-based, which and in what order, None for all.

    Raises:
        DataError: a file cannot be read or lacks a band.
    """
    scenes = []
    for path in paths:
        scene = read_image(path)
        if bands is not None and max(bands) >= scene.shape[2]:
            raise DataError(f"{path} has {scene.shape[2]} bands; there is no band {max(bands)} (counted from 0)")
        scenes.append(scene if bands is None else np.ascontiguousarray(scene[:, :, list(bands)]))
    return scenes
