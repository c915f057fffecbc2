"""Hand-crafted descriptions, and the codebooks over them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from models.papers.hand_crafted.codebooks import Fisher, Vlad, fit_fisher, fit_vlad, normalise
from models.papers.hand_crafted.descriptors import dense_sift, describe_all, hog, lbp_rgb

SIDE = 96


@pytest.fixture
def image() -> NDArray[np.uint8]:
    """Left half: vertical edges. Right half: flat."""
    stripes = np.where(np.arange(SIDE) // 6 % 2, 220, 30)
    stripes[SIDE // 2 :] = 120
    return np.asarray(np.broadcast_to(stripes[None, :, None], (SIDE, SIDE, 3)), dtype=np.uint8)


def test_hog_counts_the_directions_of_edges(image: NDArray[np.uint8]) -> None:
    found = hog(image).reshape(3, 3, 9)
    assert found.shape == (3, 3, 9)
    assert (found[:, 0].argmax(axis=1) == found[0, 0].argmax()).all()
    assert not found[:, 2].any()
    turned = hog(np.ascontiguousarray(image.transpose(1, 0, 2))).reshape(3, 3, 9)
    assert turned[0, 0].argmax() != found[0, 0].argmax()


def test_lbp_gives_shares_of_patterns(image: NDArray[np.uint8]) -> None:
    found = lbp_rgb(image).reshape(3, 18)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(found[0], found[1])
    flat = lbp_rgb(np.full((SIDE, SIDE, 3), 7, np.uint8)).reshape(3, 18)
    assert (flat[:, 16] == 1).all()


def test_dense_sift_describes_a_grid_in_three_octaves(image: NDArray[np.uint8]) -> None:
    found = dense_sift(image)
    points = (SIDE // 16) ** 2
    assert found.shape == (3 * points, 128)
    sharp = found[:points].reshape(SIDE // 16, SIDE // 16, 128)
    assert sharp[:, 0].any(axis=1).all()
    flat = dense_sift(np.full((SIDE, SIDE, 3), 90, np.uint8))
    assert not flat.any()


def test_dense_sift_of_a_translated_image_is_translated() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (SIDE + 16, SIDE, 3), dtype=np.uint8)
    side = SIDE // 16
    first, second = (dense_sift(each)[: side * side].reshape(side, side, 128) for each in (noise[:SIDE], noise[16:]))
    # away from the border, where patches are cut off
    np.testing.assert_array_equal(first[3, 2:4], second[2, 2:4])


def test_descriptions_are_made_once(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (4, 48, 48, 3), dtype=np.uint8)
    told: list[tuple[int, int]] = []
    first = describe_all(hog, pixels, tmp_path, progress=lambda done, total: told.append((done, total)))
    again = describe_all(hog, pixels, tmp_path, progress=lambda done, total: told.append((done, total)))
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(first[2], hog(pixels[2]))
    assert told == [(2, 4), (3, 4), (4, 4)]
    describe_all(hog, 255 - pixels, tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


def test_vlad_sums_what_descriptors_differ_from_their_word_by() -> None:
    vlad = Vlad(np.array([[0, 0], [10, 10]], np.float32))
    image = np.array([[1, 0], [2, 0], [9, 12], [10, 13]], np.uint8)
    expected = normalise(np.array([3, 0, -1, 5], np.float32))
    np.testing.assert_allclose(vlad.encode(image[np.newaxis])[0], expected, rtol=1e-6)


def test_normalising_takes_signed_roots_and_length_one() -> None:
    found = normalise(np.array([-4, 9, 0], np.float32))
    np.testing.assert_allclose(found, np.array([-2, 3, 0]) / np.sqrt(13), rtol=1e-6)
    assert not normalise(np.zeros(3, np.float32)).any()


def test_codebooks_tell_kinds_of_images_apart() -> None:
    random = np.random.default_rng(0)
    kinds = np.arange(8) % 2
    # dark and light patches in every image; one kind has more of every other number
    values = random.choice([50, 180], (8, 200, 1)) + random.integers(0, 6, (8, 200, 16))
    values[:, :, ::2] += 20 * kinds[:, None, None]
    descriptors = values.astype(np.uint8)
    books: list[Vlad | Fisher] = [fit_vlad(descriptors[:4], 2), fit_fisher(descriptors[:4], 2, 3)]
    for book, length in zip(books, (2 * 16, 2 * 2 * 3 + 2), strict=True):
        vectors = book.encode(descriptors)
        assert vectors.shape == (8, length)
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
        similar = vectors @ vectors.T
        same = kinds[:, None] == kinds[None, :]
        assert similar[same].min() > similar[~same].max()


def test_a_mixture_survives_patches_without_content() -> None:
    descriptors = np.random.default_rng(0).integers(0, 255, (3, 100, 16), dtype=np.uint8)
    descriptors[:, :70] = 0
    assert np.isfinite(fit_fisher(descriptors, 4, 6).encode(descriptors)).all()
