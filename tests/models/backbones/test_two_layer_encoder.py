"""EfficientNet in two parts, and the encoder that keeps statistics of its middle layer."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from models.backbones.efficientnet import EfficientNetTrunk
from models.backbones.registry import build_encoder
from models.backbones.two_layer_encoder import KEPT, TAUGHT, TwoLayerEncoder, middle_statistics, principal_axes

SIZE = 64


@pytest.fixture(scope="module")
def encoder() -> TwoLayerEncoder:
    torch.manual_seed(0)
    built = build_encoder("efficientnet-lite0", dimension=32, pooling="two-layer")
    assert isinstance(built, TwoLayerEncoder)
    return built.eval()


@pytest.fixture(scope="module")
def tiles() -> torch.Tensor:
    return torch.randn(3, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def test_both_parts_together_are_the_network_of_timm(encoder: TwoLayerEncoder, tiles: torch.Tensor) -> None:
    trunk = encoder.trunk
    assert isinstance(trunk, EfficientNetTrunk)
    assert trunk.lower(tiles).shape == (3, 112, SIZE // 16, SIZE // 16)
    torch.testing.assert_close(trunk(tiles), trunk.network.forward_features(tiles))


@torch.no_grad()
def test_output_is_the_plainly_recomputed_one(encoder: TwoLayerEncoder, tiles: torch.Tensor) -> None:
    middle = encoder.trunk.lower(tiles)
    last = encoder.trunk.upper(middle).mean((2, 3))
    flat = middle.flatten(2)
    statistics = torch.cat((flat.mean(2), flat.std(2, correction=0).clamp(min=1e-5**0.5)), 1)
    torch.testing.assert_close(middle_statistics(middle), statistics, rtol=1e-4, atol=1e-4)
    joined = torch.cat((functional.normalize(last), functional.normalize(statistics)), 1)
    taught, kept = functional.normalize(encoder.taught(last)), functional.normalize(encoder.kept(joined))
    found = encoder(tiles)
    torch.testing.assert_close(found.feature, torch.cat((taught, kept), 1), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found.embedding, functional.normalize(encoder.head(found.feature)))
    torch.testing.assert_close(found.map, functional.avg_pool2d(middle, 2))
    assert found.feature.shape == (3, TAUGHT + KEPT)
    assert encoder.map_shape(SIZE) == (112, SIZE // 32, SIZE // 32)


@torch.no_grad()
def test_fitting_whitens_by_half_and_keeps_cosines(encoder: TwoLayerEncoder) -> None:
    generator = torch.Generator().manual_seed(2)
    last, middle = torch.randn(400, 1280, generator=generator), torch.rand(400, 224, generator=generator)
    encoder.fit_without_labels(last, middle, balance=0.5)
    kept = encoder.kept(encoder.statistics(last, middle))
    deviation = kept.std(0, correction=0)
    plain = principal_axes(encoder.statistics(last, middle).double().numpy(), KEPT, 0.0)[0]
    expected = np.sqrt((encoder.statistics(last, middle).double().numpy() @ plain.T).std(axis=0))
    np.testing.assert_allclose(deviation.numpy(), expected, rtol=1e-2)
    feature = encoder.join(last, middle)
    torch.testing.assert_close(feature[:, :TAUGHT].norm(dim=1), torch.full((400,), 0.5))
    assert bool(torch.isfinite(encoder.project(feature)).all())


def test_too_few_tiles_are_named() -> None:
    with pytest.raises(ValueError, match="fewer than 256 principal axes"):
        principal_axes(np.zeros((10, 300)), 256, 0.5)


def test_only_networks_with_a_middle_map_have_two_layers() -> None:
    with pytest.raises(ValueError, match="no middle map"):
        build_encoder("resnet18", pooling="two-layer")
