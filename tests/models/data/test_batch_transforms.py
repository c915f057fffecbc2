from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from models.data import colour, geometry, noise
from models.data.blur import gaussian_blur


def images(count: int = 6, bands: int = 3, side: int = 16, seed: int = 0) -> Tensor:
    return torch.rand(count, bands, side, side, generator=torch.Generator().manual_seed(seed))


def test_dihedral_is_the_symmetries_of_the_square() -> None:
    batch = images(8)
    moved = geometry.dihedral(batch, torch.arange(8))
    seen = set()
    for code in range(8):
        expected = np.rot90(batch[code].numpy(), code & 3, (1, 2))
        expected = expected[:, :, ::-1] if code & 4 else expected
        np.testing.assert_array_equal(moved[code].numpy(), expected)
        seen.add(geometry.dihedral(batch[:1], torch.tensor([code])).numpy().tobytes())
    assert len(seen) == 8
    assert geometry.dihedral(batch, torch.zeros(8, dtype=torch.int64)) is batch


def test_warp_with_the_identity_changes_nothing() -> None:
    batch = images()
    same = torch.eye(2, 3).expand(6, 2, 3)
    torch.testing.assert_close(geometry.warp(batch, same, (16, 16)), batch, atol=1e-5, rtol=0)


def test_warp_equals_torch_affine_grid() -> None:
    batch = images(4, 2, 12)
    generator = torch.Generator().manual_seed(1)
    matrices = geometry.compose(
        geometry.random_rotation(4, 60, generator),
        geometry.random_crop(4, area=(0.3, 0.9), ratio=(0.5, 2), generator=generator),
    )
    grid = torch.nn.functional.affine_grid(matrices, [4, 2, 9, 12], align_corners=False)
    expected = torch.nn.functional.grid_sample(batch, grid, padding_mode="reflection", align_corners=False)
    torch.testing.assert_close(geometry.warp(batch, matrices, (9, 12)), expected, atol=1e-5, rtol=1e-4)


def test_a_quarter_turn_by_warp_is_the_exact_one() -> None:
    batch = images(2)
    quarter = torch.tensor([[[0.0, -1.0, 0.0], [1.0, 0.0, 0.0]]]).expand(2, 2, 3)
    torch.testing.assert_close(geometry.warp(batch, quarter, (16, 16)), torch.rot90(batch, 1, (2, 3)), atol=1e-5, rtol=0)


def test_crops_stay_inside_and_keep_their_area() -> None:
    crops = geometry.random_crop(500, area=(0.25, 0.25), ratio=(0.5, 2.0), generator=torch.Generator().manual_seed(0))
    width, height = crops[:, 0, 0], crops[:, 1, 1]
    torch.testing.assert_close(width * height, torch.full((500,), 0.25))
    assert (width / height).min() > 0.49
    assert (crops[:, 0, 2].abs() + width <= 1 + 1e-6).all()
    assert (crops[:, 1, 2].abs() + height <= 1 + 1e-6).all()
    assert crops[:, 0, 2].std() > 0.1


def test_compose_applies_the_inner_map_first() -> None:
    generator = torch.Generator().manual_seed(3)
    outer, inner = torch.randn(2, 3, 2, 3, generator=generator)
    point = torch.tensor([0.3, -0.7])
    by_steps = outer[:, :, :2] @ (inner[:, :, :2] @ point + inner[:, :, 2])[:, :, None] + outer[:, :, 2:]
    both = geometry.compose(outer, inner)
    torch.testing.assert_close(both[:, :, :2] @ point + both[:, :, 2], by_steps[:, :, 0])


@pytest.mark.parametrize("bands", [1, 3, 5])
def test_colour_is_the_plain_formula(bands: int) -> None:
    batch = images(4, bands) * 0.3 + 0.3
    matrices = colour.saturation_matrix(torch.tensor([0.0, 0.5, 1.0, 1.4]), bands)
    contrast = torch.tensor([0.5, 1.0, 1.2, 0.8])
    result = colour.apply_colour(batch, matrices, contrast)
    weights = np.array(colour.LUMA) if bands == 3 else np.full(bands, 1 / bands)
    for image, out, saturation, factor in zip(
        batch.numpy(), result.numpy(), (0.0, 0.5, 1.0, 1.4), contrast.tolist(), strict=True
    ):
        luma = np.tensordot(weights, image, 1)
        vivid = saturation * image + (1 - saturation) * luma
        mean = np.tensordot(weights, vivid, 1).mean()
        np.testing.assert_allclose(out, np.clip(factor * vivid + (1 - factor) * mean, 0, 1), atol=1e-5)


def test_hue_keeps_luma_and_grey_and_comes_round() -> None:
    batch = images(1) * 0.2 + 0.4
    pixels = batch[0].flatten(1)
    full, half = colour.hue_matrix(torch.tensor([1.0, 0.3]))
    torch.testing.assert_close(full @ pixels, pixels, atol=1e-4, rtol=0)
    weights = colour.luma_weights(3)
    torch.testing.assert_close(weights @ (half @ pixels), weights @ pixels, atol=1e-3, rtol=0)
    torch.testing.assert_close(half @ torch.ones(3), torch.ones(3), atol=1e-3, rtol=0)
    assert (half @ pixels - pixels).abs().max() > 0.02


def test_greyscale_and_dropped_bands() -> None:
    pixels = images(1, 4)[0].flatten(1)
    torch.testing.assert_close(colour.greyscale_matrix(4) @ pixels, pixels.mean(0).expand(4, -1))
    (matrix,) = colour.dropout_matrix(torch.tensor([[False, True, False, False]]))
    result = matrix @ pixels
    torch.testing.assert_close(result[[0, 2, 3]], pixels[[0, 2, 3]])
    torch.testing.assert_close(result[1], pixels[[0, 2, 3]].mean(0))
    assert colour.dropout_matrix(torch.tensor([[True]])).item() == 1


def test_blur_is_the_plain_sum_per_image() -> None:
    batch, sigmas = images(3, 2, 20), torch.tensor([0.3, 1.0, 1.7])
    blurred = gaussian_blur(batch, sigmas, radius=5)
    for image, out, sigma in zip(batch.numpy(), blurred.numpy(), sigmas.tolist(), strict=True):
        kernel = np.exp(-0.5 * (np.arange(-5, 6) / sigma) ** 2)
        padded = np.pad(image, ((0, 0), (5, 5), (5, 5)), mode="reflect")
        windows = np.lib.stride_tricks.sliding_window_view(padded, (11, 11), axis=(1, 2))
        expected = np.einsum("chwij,i,j->chw", windows, kernel / kernel.sum(), kernel / kernel.sum())
        np.testing.assert_allclose(out, expected, atol=1e-5)


def test_noise_has_the_strength_asked_for() -> None:
    batch = torch.full((4, 3, 64, 64), 0.5)
    strength = torch.tensor([0.0, 0.01, 0.03, 0.05])
    result = noise.add_noise(batch, strength, torch.Generator().manual_seed(0))
    torch.testing.assert_close((result - 0.5).std((1, 2, 3)), strength, atol=0.002, rtol=0.05)
    correlation = np.corrcoef((result - 0.5)[2:].flatten(1).numpy())[0, 1]
    assert abs(correlation) < 0.05
    bright = noise.add_noise(torch.ones(1, 1, 8, 8), torch.tensor([1.0]), None)
    assert 0 <= bright.min() <= bright.max() <= 1


def test_compression_rounds_cosine_coefficients() -> None:
    batch = images(2, 1, 20)
    result = noise.compress(batch, torch.tensor([30.0, 90.0]))
    torch.testing.assert_close(result[:, :, 16:], batch[:, :, 16:])
    torch.testing.assert_close(result[:, :, :, 16:], batch[:, :, :, 16:])
    table = np.array(noise._LUMA_TABLE, float)
    cosines = np.array([[math.cos((2 * x + 1) * k * math.pi / 16) for x in range(8)] for k in range(8)]) / 2
    cosines[0] /= math.sqrt(2)
    for number, quality in enumerate((30, 90)):
        step = 5000 / quality if quality < 50 else 200 - 2 * quality
        quantum = np.clip(table * step / 100, 1, 255)
        block = batch[number, 0, 8:16, :8].numpy().astype(float) * 255 - 128
        rounded = np.round(cosines @ block @ cosines.T / quantum) * quantum
        expected = np.clip((cosines.T @ rounded @ cosines + 128) / 255, 0, 1)
        np.testing.assert_allclose(result[number, 0, 8:16, :8].numpy(), expected, atol=1e-4)
    errors = (result - batch).abs().mean((1, 2, 3))
    assert errors[0] > 2 * errors[1] > 0


def test_factors_lie_around_one() -> None:
    factors = colour.around_one(1000, 0.4, torch.Generator().manual_seed(0))
    assert 0.6 <= factors.min() < 0.65
    assert 1.35 < factors.max() <= 1.4
    assert math.isclose(float(factors.mean()), 1.0, abs_tol=0.03)
