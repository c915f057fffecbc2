from __future__ import annotations

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageColor

from models.evaluation.errors import EvaluationError
from models.evaluation.report.pictures import (
    RIGHT,
    WRONG,
    Cell,
    Retrieved,
    encode_jpeg,
    false_colour,
    feature_sheet,
    mosaic,
    most_varied,
    reconstruction_sheet,
    retrieval_sheet,
    sheet,
    thumbnail,
)

SIDE = 32


def flat(value: int, bands: int = 3) -> NDArray[np.uint8]:
    return np.full((40, 40, bands), value, np.uint8)


def test_frames_tell_right_from_wrong_and_only_shown_images_are_read() -> None:
    read = []

    def pixels_of(index: int) -> NDArray[np.uint8]:
        read.append(index)
        return flat(10 * index)

    shown = np.asarray(retrieval_sheet([Retrieved(3, "beach", [7, 9], ["beach", "river"])], pixels_of, side=SIDE))
    assert read == [3, 7, 9]
    colours = {tuple(colour) for colour in shown.reshape(-1, 3)}
    assert ImageColor.getrgb(RIGHT) in colours
    assert ImageColor.getrgb(WRONG) in colours
    for index in (3, 7, 9):
        assert np.sum(np.all(shown == 10 * index, axis=2)) >= SIDE * SIDE
    green = np.flatnonzero(np.all(shown == ImageColor.getrgb(RIGHT), axis=2).any(axis=0))
    red = np.flatnonzero(np.all(shown == ImageColor.getrgb(WRONG), axis=2).any(axis=0))
    assert green.max() < red.min()  # in the order of the ranking


def test_reconstructions_stand_beside_their_input() -> None:
    images = np.stack([flat(50), flat(90)])
    shown = np.asarray(
        reconstruction_sheet(images, {"small": images + 1, "large": images + 2}, np.zeros((2, 4, 8, 8)), side=SIDE)
    )
    for value in (50, 51, 52, 90, 91, 92):
        assert np.sum(np.all(shown == value, axis=2)) >= SIDE * SIDE
    with pytest.raises(EvaluationError, match="each of 2 images"):
        reconstruction_sheet(images, {"small": images[:1]})


def test_the_most_varied_channels_are_shown() -> None:
    maps = np.random.default_rng(0).normal(size=(6, 8, 8)) * np.array([1, 5, 2, 9, 0, 3])[:, None, None]
    assert most_varied(maps, 3).tolist() == [3, 1, 5]
    tiles = mosaic(maps, across=2)
    assert tiles.shape == (16, 16, 3)
    np.testing.assert_array_equal(tiles[:8, :8], false_colour(maps[3]))
    np.testing.assert_array_equal(tiles[8:, 8:], false_colour(maps[2]))
    assert feature_sheet(flat(0)[None], maps[None], count=4, side=SIDE).width > 5 * SIDE
    with pytest.raises(EvaluationError, match="do not fit"):
        feature_sheet(flat(0)[None], np.zeros((2, 1, 4, 4)))


def test_false_colours_run_from_dark_to_bright_and_bear_a_flat_map() -> None:
    ramp = false_colour(np.linspace(-3, 7, 16).reshape(4, 4)).astype(int).sum(axis=2).ravel()
    assert ramp[0] == ramp.min()
    assert ramp[-1] == ramp.max()
    assert len(np.unique(false_colour(np.ones((4, 4))).reshape(-1, 3), axis=0)) == 1


@pytest.mark.parametrize("bands", [1, 2, 3, 4, 7])
def test_any_number_of_bands_becomes_colour_or_grey(bands: int) -> None:
    pixels = np.arange(bands, dtype=np.uint8) * 20 + np.zeros((64, 48, 1), np.uint8)
    shown = np.asarray(thumbnail(pixels, SIDE))
    assert shown.shape == (SIDE, SIDE, 3)
    assert shown[0, 0].tolist() == ([0, 20, 40] if bands >= 3 else [0, 0, 0])


def test_long_captions_end_in_their_own_column() -> None:
    with_text = np.asarray(sheet([[Cell(flat(200), "a name that is far too long for this"), Cell(flat(200))]], side=SIDE))
    without = np.asarray(sheet([[Cell(flat(200)), Cell(flat(200))]], side=SIDE))
    changed = np.flatnonzero((with_text != without).any(axis=(0, 2)))
    assert 0 < changed.max() < with_text.shape[1] // 2


def test_jpegs_open_again_and_nonsense_is_refused() -> None:
    encoded = encode_jpeg(sheet([[Cell(flat(128))]], side=SIDE))
    assert Image.open(io.BytesIO(encoded)).format == "JPEG"
    with pytest.raises(EvaluationError, match="no image"):
        sheet([])
    with pytest.raises(EvaluationError, match=r"\(H, W, B\) uint8"):
        sheet([[Cell(np.zeros((4, 4), np.uint8))]])
