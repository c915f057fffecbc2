from __future__ import annotations

import pytest
import torch
from torch import Tensor

from models.training.recipes.augmentation import GEOMETRIC, NONE, PAPER, ROBUST, Augmentation
from models.training.transforms import Preparation, augment, to_unit


def images(count: int = 64, bands: int = 3, side: int = 16) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, side, side, bands), dtype=torch.uint8, generator=generator).permute(0, 3, 1, 2)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_nothing_set_changes_nothing() -> None:
    batch = images()
    torch.testing.assert_close(augment(batch, NONE), batch.float() / 255)
    assert batch.dtype == torch.uint8


@pytest.mark.parametrize("config", [PAPER, GEOMETRIC, ROBUST])
@pytest.mark.parametrize("bands", [1, 3, 4])
def test_presets_take_any_bands_and_stay_in_range(config: Augmentation, bands: int) -> None:
    batch = images(bands=bands)
    before = batch.clone()
    result = augment(batch, config, seeded())
    assert result.shape == batch.shape
    assert result.dtype == torch.float32
    assert -1e-6 <= result.min() <= result.max() <= 1 + 1e-6
    assert torch.equal(batch, before)
    assert torch.equal(result, augment(batch, config, seeded()))
    assert not torch.equal(result, augment(batch, config, seeded(1)))


def test_autocast_changes_nothing() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        result = augment(images(), ROBUST, seeded())
    assert torch.equal(result, augment(images(), ROBUST, seeded()))


def test_flips_and_turns_are_as_often_as_asked() -> None:
    one = images(1, side=4)
    batch = one.expand(2000, -1, -1, -1)
    flipped = augment(batch, Augmentation(horizontal_flip=0.3), seeded())
    share = (flipped == to_unit(one.flip(3))).all((1, 2, 3)).float().mean()
    assert 0.26 < share < 0.34
    upside = augment(batch, Augmentation(vertical_flip=1.0), seeded())
    assert torch.equal(upside, to_unit(one.flip(2)).expand_as(upside))
    kinds = torch.unique(augment(batch, GEOMETRIC, seeded()).flatten(1), dim=0, return_counts=True)
    assert len(kinds[1]) == 8
    assert kinds[1].min() > 150


def test_greyscale_and_band_dropout_are_as_often_as_asked() -> None:
    grey = augment(images(1000, side=4), Augmentation(greyscale=0.25), seeded())
    share = ((grey - grey[:, :1]).abs() < 1e-5).all((1, 2, 3)).float().mean()
    assert 0.2 < share < 0.3
    batch = images(500, bands=4, side=4)
    dropped = augment(batch, Augmentation(band_dropout=0.1), seeded())
    changed = ((dropped - to_unit(batch)).abs() > 1e-3).any(3).any(2).float().mean()
    assert 0.08 < changed < 0.12


def test_blur_and_jpeg_touch_only_some() -> None:
    batch = images(200)
    for config in (Augmentation(blur=0.2), Augmentation(jpeg=0.2)):
        result = augment(batch, config, seeded())
        share = ((result - to_unit(batch)).abs() > 1e-3).any(3).any(2).any(1).float().mean()
        assert 0.12 < share < 0.28


def test_crops_and_rotations_keep_what_is_uniform() -> None:
    flat = torch.full((8, 2, 16, 16), 77, dtype=torch.uint8)
    result = augment(flat, Augmentation(rotation=180, crop_scale=(0.2, 0.8), crop_ratio=2), seeded())
    torch.testing.assert_close(result, to_unit(flat))


def test_preparation_augments_only_while_training_and_normalises() -> None:
    preparation = Preparation((0.2, 0.3, 0.4), (0.1, 0.2, 0.3), GEOMETRIC)
    batch = images()
    expected = (batch.float() / 255 - torch.tensor([0.2, 0.3, 0.4]).view(3, 1, 1)) / torch.tensor([0.1, 0.2, 0.3]).view(3, 1, 1)
    assert not torch.allclose(preparation(batch), expected)
    preparation.eval()
    result = preparation(batch)
    torch.testing.assert_close(result, expected)
    assert result.is_contiguous(memory_format=torch.channels_last)
    assert set(preparation.state_dict()) == {"mean", "std"}
