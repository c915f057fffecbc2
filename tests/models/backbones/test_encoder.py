from __future__ import annotations

import math

import pytest
import torch

from models.backbones.registry import ENCODERS, build_encoder


@pytest.mark.parametrize("name", ENCODERS)
@pytest.mark.parametrize("bands", [3, 5])
def test_every_encoder_answers_alike(name: str, bands: int) -> None:
    torch.manual_seed(0)
    width = 64 if name.startswith(("googlenet", "efficientnet")) else 8
    # In training mode: batch statistics keep the signal that a deep network, untrained, would lose.
    encoder = build_encoder(name, bands=bands, width=width).train()
    tiles = torch.randn(2, bands, 64, 64)
    with torch.no_grad():
        output = encoder(tiles)
    channels, height, width = encoder.map_shape(64)
    assert output.embedding.shape == (2, 128)
    assert output.feature.shape == (2, encoder.feature_dimension) == (2, channels)
    assert output.map.shape == (2, channels, height, width)
    assert (height, width) == (2, 2)
    assert {part.dtype for part in output} == {torch.float32}
    norms = output.embedding.double().square().sum(1).sqrt()
    torch.testing.assert_close(norms, torch.ones(2, dtype=torch.float64), atol=1e-6, rtol=0)
    torch.testing.assert_close(output.feature, output.map.sum((2, 3)) / 4)
    torch.testing.assert_close(encoder.project(output.feature), output.embedding)
    assert not torch.allclose(output.embedding[0], output.embedding[1])


@pytest.mark.parametrize("name", ENCODERS)
def test_at_256_pixels_the_map_is_8_by_8(name: str) -> None:
    known = {"resnet50": 2048, "googlenet": 1024}
    channels = known.get(name, 1280 if name.startswith("efficientnet") else 512)
    encoder = build_encoder(name)
    assert encoder.map_shape(256) == (channels, 8, 8)
    assert encoder.training


def test_half_precision_leaves_the_embedding_exactly_normalised() -> None:
    torch.manual_seed(0)
    encoder = build_encoder("resnet18", width=8).eval()
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        embedding = encoder(torch.randn(2, 3, 64, 64)).embedding
    assert embedding.dtype == torch.float32
    assert all(math.isclose(float(norm), 1, abs_tol=1e-6) for norm in embedding.norm(dim=1))


def test_tiles_of_other_bands_are_refused_with_the_shape_it_takes() -> None:
    encoder = build_encoder("resnet18", width=8, bands=4)
    with pytest.raises(ValueError, match=r"\(N, 4, S, S\)"):
        encoder(torch.zeros(2, 3, 64, 64))


def test_a_dimension_may_be_chosen() -> None:
    encoder = build_encoder("resnet18", width=8, dimension=32)
    assert encoder.dimension == 32
    assert encoder(torch.randn(2, 3, 32, 32)).embedding.shape == (2, 32)
