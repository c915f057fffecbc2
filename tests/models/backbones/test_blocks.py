"""The blocks against their equations, recomputed plainly from the parameters."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.resnet import BasicBlock

from models.backbones.blocks import ConvShortcutBlock, IdentityBlock, ResDyad, ResidualBlock, conv, init_convs


def randomise(module: nn.Module, seed: int = 0) -> nn.Module:
    """Give every parameter and every running statistic a value that no default has."""
    generator = torch.Generator().manual_seed(seed)
    for tensor in (*module.parameters(), *(b for b in module.buffers() if b.is_floating_point())):
        tensor.data = torch.rand(tensor.shape, generator=generator) * 0.5 + 0.1
    return module.eval()


def residual(state: dict[str, Tensor], prefix: str, x: Tensor, stride: int) -> Tensor:
    """F: batch norm, ReLU, convolution, twice, by the textbook."""
    for norm, convolution, step in (("0", "2", stride), ("3", "5", 1)):
        mean, var = state[f"{prefix}{norm}.running_mean"], state[f"{prefix}{norm}.running_var"]
        x = (x - mean[:, None, None]) / (var[:, None, None] + 1e-5).sqrt()
        x = x * state[f"{prefix}{norm}.weight"][:, None, None] + state[f"{prefix}{norm}.bias"][:, None, None]
        x = functional.conv2d(x.clamp(min=0), state[f"{prefix}{convolution}.weight"], stride=step, padding=1)
    return x


def test_identity_block_is_equation_10() -> None:
    block = randomise(IdentityBlock(3))
    phi = torch.randn(2, 3, 6, 5)
    torch.testing.assert_close(block(phi), phi + residual(block.state_dict(), "residual.", phi, stride=1))


@pytest.mark.parametrize("stride", [1, 2])
def test_conv_shortcut_block_is_equation_11(stride: int) -> None:
    block = randomise(ConvShortcutBlock(3, 4, stride=stride))
    varphi = torch.randn(2, 3, 6, 6)
    shortcut = functional.conv2d(varphi, block.state_dict()["shortcut.weight"], stride=stride, padding=1)
    torch.testing.assert_close(block(varphi), shortcut + residual(block.state_dict(), "residual.", varphi, stride))


def test_residual_dyad_is_equation_12_written_out_over_the_linear_shortcut() -> None:
    dyad = randomise(ResDyad(3, 5))
    state = dyad.state_dict()
    phi = torch.randn(2, 3, 8, 8)
    f_a = residual(state, "block_a.residual.", phi, stride=1)

    def h(x: Tensor) -> Tensor:
        return functional.conv2d(x, state["block_b.shortcut.weight"], stride=2, padding=1)

    expected = h(phi) + h(f_a) + residual(state, "block_b.residual.", phi + f_a, stride=2)
    out = dyad(phi)
    assert out.shape == (2, 5, 4, 4)
    torch.testing.assert_close(out, expected, atol=1e-4, rtol=1e-5)


def test_no_path_through_a_dyad_is_free_of_weights() -> None:
    """What the conv-shortcut is for: with all convolutions at zero nothing passes, where identity blocks let all pass."""
    phi = torch.randn(1, 4, 8, 8)
    dyad, identity = ResDyad(4, 4).eval(), IdentityBlock(4).eval()
    for module in (*dyad.modules(), *identity.modules()):
        if isinstance(module, nn.Conv2d):
            nn.init.zeros_(module.weight)
    assert not dyad(phi).any()
    torch.testing.assert_close(identity(phi), phi)


@pytest.mark.parametrize("stride", [1, 2])
def test_residual_block_is_torchvisions_basic_block(stride: int) -> None:
    torch.manual_seed(0)
    reference = BasicBlock(4, 6, stride, nn.Sequential(nn.Conv2d(4, 6, 1, stride, bias=False), nn.BatchNorm2d(6))).eval()
    block = ResidualBlock(4, 6, stride=stride).eval()
    names = {"conv1": "residual.0", "bn1": "residual.1", "conv2": "residual.3", "bn2": "residual.4", "downsample": "shortcut"}
    block.load_state_dict({names[k.split(".")[0]] + k[k.index(".") :]: v for k, v in reference.state_dict().items()})
    x = torch.randn(2, 4, 7, 7)
    torch.testing.assert_close(block(x), reference(x))
    same = ResidualBlock(4, 4).eval()
    assert isinstance(same.shortcut, nn.Identity)


@pytest.mark.parametrize("size", [8, 7, 1])
def test_a_stride_halves_rounding_up_and_transposed_doubles(size: int) -> None:
    x = torch.randn(1, 3, size, size)
    half = -(-size // 2)
    assert ResDyad(3, 4).eval()(x).shape == (1, 4, half, half)
    assert ResDyad(3, 4, shortcut_kernel=1).eval()(x).shape == (1, 4, half, half)
    assert ResDyad(3, 4, stride=1).eval()(x).shape == (1, 4, size, size)
    assert ResDyad(3, 4, transposed=True).eval()(x).shape == (1, 4, 2 * size, 2 * size)


def test_initial_weights_keep_the_scale_of_rectified_maps() -> None:
    torch.manual_seed(0)
    for stride, transposed in ((1, False), (2, False), (1, True), (2, True)):
        layer = conv(64, 64, stride=stride, transposed=transposed)
        init_convs(layer)
        x = torch.randn(4, 64, 16, 16).relu()
        out = layer(x)[..., 2:-2, 2:-2].detach()
        # He's rule: E[out^2] = 2 E[x^2].
        assert float(out.square().mean() / x.square().mean()) == pytest.approx(2.0, rel=0.15)


def test_gradients_reach_every_parameter() -> None:
    dyad = ResDyad(3, 4)
    dyad(torch.randn(2, 3, 8, 8)).square().mean().backward()
    assert all(p.grad is not None and bool(p.grad.any()) for p in dyad.parameters())
