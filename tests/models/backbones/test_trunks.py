"""The backbones are torchvision's networks: same names, same numbers."""

from __future__ import annotations

import pytest
import torch
import torchvision
from torch import nn

from models.backbones.attention import ResidualAttention, ResidualAttentionTrunk
from models.backbones.googlenet import GoogLeNetTrunk
from models.backbones.resnet import ResNetTrunk
from models.backbones.vgg import VGG16Trunk


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def resnet_map(network: nn.Module, tiles: torch.Tensor) -> torch.Tensor:
    body = nn.Sequential(*list(network.children())[:-2])
    out: torch.Tensor = body(tiles)
    return out


@pytest.mark.parametrize("depth", [18, 50])
@torch.no_grad()
def test_resnet_is_torchvisions(depth: int) -> None:
    torch.manual_seed(0)
    reference = torchvision.models.get_model(f"resnet{depth}", weights=None).eval()
    trunk = ResNetTrunk(18 if depth == 18 else 50).eval()
    state = {k: v for k, v in reference.state_dict().items() if not k.startswith("fc.")}
    trunk.load_state_dict(state, strict=True)
    tiles = torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(trunk(tiles), resnet_map(reference, tiles))


@torch.no_grad()
def test_googlenet_is_torchvisions_with_and_without_its_input_transform() -> None:
    torch.manual_seed(0)
    reference = torchvision.models.googlenet(weights=None, aux_logits=False, init_weights=True).eval()
    features: list[torch.Tensor] = []
    reference.inception5b.register_forward_hook(lambda _m, _i, out: features.append(out))
    trunk = GoogLeNetTrunk().eval()
    state = {k: v for k, v in reference.state_dict().items() if not k.startswith("fc.")}
    missing, unexpected = trunk.load_state_dict(state, strict=False)
    assert (sorted(missing), unexpected) == (["input_scale", "input_shift"], [])
    tiles = torch.randn(2, 3, 64, 64)
    reference(tiles)
    torch.testing.assert_close(trunk(tiles), features[-1])
    reference.transform_input = True
    trunk.use_published_input()
    reference(tiles)
    torch.testing.assert_close(trunk(tiles), features[-1])


def test_vgg16_has_torchvisions_names_and_shapes() -> None:
    with torch.device("meta"):
        reference = torchvision.models.vgg16(weights=None, init_weights=False)
    expected = {k: v.shape for k, v in reference.state_dict().items() if k.startswith("features.")}
    assert {k: v.shape for k, v in VGG16Trunk().state_dict().items()} == expected


def test_a_width_makes_a_smaller_resnet() -> None:
    assert parameters(ResNetTrunk(18, width=64)) == 11_176_512
    assert 6.2e6 < parameters(ResNetTrunk(18, width=48)) < 6.4e6
    assert ResNetTrunk(18, width=48).channels == 384


@torch.no_grad()
def test_residual_attention_is_one_plus_mask_times_trunk() -> None:
    torch.manual_seed(0)
    module = ResidualAttention(4, depth=2).eval()
    x = torch.randn(2, 4, 9, 7)
    torch.testing.assert_close(module(x), 1.5 * x)
    last = module.mask[-2]
    assert isinstance(last, nn.Conv2d)
    nn.init.normal_(last.weight)
    mask = module.mask(x)
    assert mask.shape == x.shape
    assert 0 < float(mask.min()) < float(mask.max()) < 1
    torch.testing.assert_close(module(x), x + mask * x)


def test_the_attention_learns() -> None:
    torch.manual_seed(0)
    trunk = ResidualAttentionTrunk(width=8)
    optimiser = torch.optim.SGD(trunk.parameters(), 0.1)
    for _ in range(2):  # the mask's last convolution begins at zero: what lies before it moves from the second step on
        optimiser.zero_grad()
        trunk(torch.randn(2, 3, 64, 64)).square().mean().backward()
        optimiser.step()
    quiet = [name for name, p in trunk.named_parameters() if p.grad is None or not bool(p.grad.any())]
    assert quiet == []


def test_a_width_makes_a_smaller_vgg() -> None:
    trunk = VGG16Trunk(width=16)
    assert trunk.channels == 128
    assert 0.9e6 < parameters(trunk) < 1.0e6
