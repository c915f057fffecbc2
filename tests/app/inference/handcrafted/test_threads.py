from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.feature import local_binary_pattern

from app.errors import ModelMismatch
from app.inference.handcrafted import hog, lbp
from app.inference.handcrafted.threads import HandCrafted


@pytest.fixture(params=[hog.hog, lbp.lbp_rgb], ids=["hog", "lbp-rgb"])
def model(request: pytest.FixtureRequest) -> HandCrafted:
    made: HandCrafted = request.param(2)
    return made


def noise(count: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, 256, 256, 3), dtype=np.uint8)


def test_the_embedding_is_that_of_the_card_and_of_length_one(model: HandCrafted) -> None:
    made = model.embed(noise(3))
    assert made.embedding.shape == (3, model.card.dimension)
    assert made.embedding.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(made.embedding, axis=1), 1, atol=1e-6)
    assert (made.feature, made.pair) == (None, None)


def test_order_and_company_do_not_matter(model: HandCrafted) -> None:
    tiles = noise(5)
    together = model.embed(tiles).embedding
    np.testing.assert_array_equal(together[::-1], model.embed(tiles[::-1]).embedding)
    np.testing.assert_array_equal(together[2:3], model.embed(tiles[2:3]).embedding)


def test_many_threads_may_embed_at_once(model: HandCrafted) -> None:
    tiles = noise(4)
    wanted = model.embed(tiles).embedding
    with ThreadPoolExecutor(4) as pool:
        for made in pool.map(model.embed, [tiles] * 8):
            np.testing.assert_array_equal(made.embedding, wanted)


def test_a_flat_tile_stays_finite(model: HandCrafted) -> None:
    for value in (0, 128, 255):
        assert np.isfinite(model.embed(np.full((1, 256, 256, 3), value, np.uint8)).embedding).all()


def test_other_sizes_are_refused(model: HandCrafted) -> None:
    with pytest.raises(ModelMismatch):
        model.embed(np.zeros((1, 128, 128, 3), np.uint8))


def test_hog_of_a_ramp_points_one_way() -> None:
    ramp = np.broadcast_to(np.arange(256, dtype=np.uint8)[:, np.newaxis, np.newaxis], (256, 256, 3))  # brighter downwards
    cells = hog.describe(ramp).reshape(3, 3, 9)
    assert (cells.argmax(axis=-1) == 4).all()  # 90 degrees: of nine bins of 20 degrees from 0, the fifth
    np.testing.assert_allclose(np.delete(cells, 4, axis=-1), 0)
    np.testing.assert_allclose(np.linalg.norm(cells), 1, atol=1e-4)


def test_lbp_equals_scikit_image_inside_the_tile() -> None:
    smooth = np.random.default_rng(3).normal(size=(256, 256, 3)).cumsum(axis=0).cumsum(axis=1)
    for tile in (noise(1)[0], np.interp(smooth, (smooth.min(), smooth.max()), (0, 255)).astype(np.uint8)):
        made = lbp.describe(tile).reshape(3, 18)
        for band in range(3):
            patterns = local_binary_pattern(tile[:, :, band], 16, 2, "uniform")  # type: ignore[no-untyped-call]
            wanted = np.bincount(patterns[2:-2, 2:-2].astype(int).ravel(), minlength=18)
            # Equal but for the rounding of ties between interpolated and whole values.
            assert np.abs(made[band] - wanted).sum() <= 0.002 * wanted.sum()


def test_lbp_of_flat_ground_is_all_ones_and_turning_changes_nothing() -> None:
    counts = lbp.describe(np.full((256, 256, 3), 77, np.uint8)).reshape(3, 18)
    np.testing.assert_array_equal(counts[:, 16], 252 * 252)
    tile = noise(1)[0]
    difference = np.abs(lbp.describe(tile) - lbp.describe(np.rot90(tile))).sum()
    assert difference <= 0.002 * 3 * 252 * 252
