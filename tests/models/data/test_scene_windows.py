from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from models.data.errors import DataError
from models.data.samplers import Shard
from models.data.scenes import SceneWindows, load_scenes


def numbered(height: int, width: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    rows, columns = np.mgrid[0:height, 0:width]
    return np.stack([rows, columns], axis=-1).astype(np.uint8)


def test_cuts_windows_that_are_there() -> None:
    scene = numbered(100, 200)
    windows = SceneWindows([scene], size=16, batch_size=32, steps_per_epoch=4, seed=0)
    batch = windows.batch(3)
    assert batch.images.shape == (32, 2, 16, 16)
    assert set(batch.labels.tolist()) == {-1}
    corners = set()
    for image in batch.images:
        top, left = int(image[0, 0, 0]), int(image[1, 0, 0])
        np.testing.assert_array_equal(image.permute(1, 2, 0).numpy(), scene[top : top + 16, left : left + 16])
        corners.add((top, left))
    assert len(corners) > 28
    again = SceneWindows([scene], size=16, batch_size=32, steps_per_epoch=4, seed=0).batch(3)
    assert torch.equal(again.images, batch.images)
    assert not torch.equal(windows.batch(4).images, batch.images)


def test_zooms_and_shards() -> None:
    scene = numbered(100, 100)
    windows = SceneWindows([scene], 16, 8, 1, seed=0, zoom=(0.5, 4.0))
    batch = windows.batch(0)
    spans = batch.images[:, 0, -1, 0].int() - batch.images[:, 0, 0, 0].int()
    assert spans.min() < 16 < spans.max()
    half = SceneWindows([scene], 16, 8, 1, seed=0, zoom=(0.5, 4.0), shard=Shard(1, 2)).batch(0)
    assert torch.equal(half.images, batch.images[1::2])


def test_avoids_nodata_and_weighs_by_area() -> None:
    large, small = numbered(90, 90) + 1, numbered(30, 30) + 1
    large[:, :45] = 0
    batch = SceneWindows([large, small], 10, 200, 1, seed=0).batch(0)
    empty = (batch.images == 0).all(1).float().mean((1, 2))
    assert empty.max() <= 0.3
    assert 0.7 < (batch.indices == 0).float().mean() < 0.98


def test_refuses_scenes_that_do_not_fit() -> None:
    with pytest.raises(DataError, match="same number of bands"):
        SceneWindows([numbered(20, 20), numbered(20, 20)[:, :, :1]], 8, 1, 1, 0)
    with pytest.raises(DataError, match="at least one scene"):
        SceneWindows([], 8, 1, 1, 0)
    with pytest.raises(DataError, match="20 x 30 pixels is smaller than a 24"):
        SceneWindows([numbered(20, 30)], 8, 1, 1, 0, zoom=(1, 3))


def test_reads_real_scenes_of_four_bands(data_dir: Path) -> None:
    naip = load_scenes(sorted((data_dir / "multidate/naip").glob("*.tif"))[:2], bands=(3, 0, 1))
    landsat = load_scenes(sorted((data_dir / "multidate/landsat").glob("*.tif"))[:2])
    assert {scene.shape[2] for scene in naip} == {3}
    assert {scene.shape[2] for scene in landsat} == {4}
    batch = SceneWindows(landsat, 64, 8, 1, seed=0, zoom=(0.7, 1.5)).batch(0)
    assert batch.images.shape == (8, 4, 64, 64)
    assert (batch.images.float().std((2, 3)) > 0).all()
    with pytest.raises(DataError, match="there is no band 4"):
        load_scenes([next((data_dir / "multidate/naip").glob("*.tif"))], bands=(4,))
