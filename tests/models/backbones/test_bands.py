from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from rasterio.windows import Window
from torch import nn

from models.backbones.bands import adapt_conv, adapt_weight
from models.backbones.registry import build_encoder


@pytest.mark.parametrize("bands", range(1, 14))
def test_an_image_of_equal_bands_gives_the_response_it_gave_before(bands: int) -> None:
    torch.manual_seed(bands)
    conv = nn.Conv2d(3, 5, 7, stride=2, padding=3)
    grey = torch.randn(2, 1, 16, 16)
    adapted = adapt_conv(conv, bands)
    assert adapted.in_channels == bands
    torch.testing.assert_close(adapted(grey.expand(-1, bands, -1, -1)), conv(grey.expand(-1, 3, -1, -1)))


def test_weights_are_repeated_and_rescaled() -> None:
    weight = torch.randn(2, 3, 1, 1)
    red, green, blue = (weight[:, i] for i in range(3))
    expected = {
        1: [red + green + blue],
        2: [red + blue, green],
        3: [red, green, blue],
        4: [red / 2, green, blue, red / 2],
        6: [red / 2, green / 2, blue / 2] * 2,
        7: [red / 3, green / 2, blue / 2, red / 3, green / 2, blue / 2, red / 3],
    }
    for bands, columns in expected.items():
        torch.testing.assert_close(adapt_weight(weight, bands), torch.stack(columns, dim=1))


def test_the_rest_of_the_convolution_stays() -> None:
    conv = nn.Conv2d(3, 4, 5, stride=2, padding=2, padding_mode="reflect", bias=True)
    adapted = adapt_conv(conv, 4)
    assert conv.in_channels == 3
    assert conv.weight.shape[1] == 3
    assert (adapted.stride, adapted.padding, adapted.padding_mode) == ((2, 2), (2, 2), "reflect")
    assert adapted.bias is not None
    assert conv.bias is not None
    torch.testing.assert_close(adapted.bias, conv.bias)
    assert adapt_conv(conv, 3) is conv


def test_what_cannot_be_adapted_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        adapt_conv(nn.Conv2d(3, 4, 3), 0)
    with pytest.raises(ValueError, match="grouped"):
        adapt_conv(nn.Conv2d(3, 3, 3, groups=3), 4)


def test_a_four_band_landsat_series_is_encoded(data_dir: Path) -> None:
    """SWIR, near infrared, red and green of eight dates, 128 pixels square, by a network made for three bands."""
    scenes = sorted((data_dir / "multidate" / "landsat").glob("*.tif"))
    tiles = []
    for scene in scenes:
        with rasterio.open(scene) as raster:
            tiles.append(raster.read(window=Window(200, 100, 128, 128)))
    batch = torch.from_numpy(np.stack(tiles).astype(np.float32) / 255)
    batch = (batch - batch.mean((0, 2, 3), keepdim=True)) / batch.std((0, 2, 3), keepdim=True)
    assert batch.shape == (8, 4, 128, 128)

    torch.manual_seed(0)
    encoder = build_encoder("resnet18", width=8)
    encoder.trunk.adapt_bands(4)
    output = encoder.train()(batch)
    assert output.embedding.shape == (8, 128)
    assert output.map.shape == (8, 64, 4, 4)
    output.embedding[0].sum().backward()
    gradient = encoder.trunk.get_parameter("conv1.weight").grad
    assert gradient is not None
    assert gradient.shape[1] == 4
    assert all(bool(gradient[:, band].any()) for band in range(4))
