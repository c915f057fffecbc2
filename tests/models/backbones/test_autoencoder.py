from __future__ import annotations

import pytest
import torch
from torch import nn

from models.backbones.autoencoder import Autoencoder, ResAE, ResDyadAE, stage_widths
from models.backbones.blocks import ResDyad
from models.backbones.encoder import Encoder
from models.bundle.trained_card import Latent

KINDS = [ResDyadAE, ResAE]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("latent", "shape"), [("8x8x512", (512, 8, 8)), ("8x8x20", (20, 8, 8)), ("1x1x1024", (1024, 1, 1))])
@torch.no_grad()
def test_the_latents_of_the_paper_at_256_pixels(
    kind: type[ResDyadAE | ResAE], latent: Latent, shape: tuple[int, int, int]
) -> None:
    autoencoder = kind(latent, width=4).eval()
    tiles = torch.randn(1, 3, 256, 256)
    z = autoencoder.encode(tiles)
    assert z.shape == (1, *shape)
    assert autoencoder.decode(z).shape == tiles.shape
    torch.testing.assert_close(autoencoder(tiles), autoencoder.decode(z))


def test_three_dyads_down_three_up_and_no_pooling_in_the_deep_part() -> None:
    autoencoder = ResDyadAE(width=4)
    assert stage_widths("8x8x512") == (64, 128, 256, 512)
    for stages in (autoencoder.encoder.stages, autoencoder.decoder.stages):
        assert [type(stage) for stage in stages] == [ResDyad] * 3
        for module in stages.modules():
            assert not isinstance(module, nn.MaxPool2d | nn.AvgPool2d | nn.Upsample)
    assert not any(isinstance(module, ResDyad) for module in ResAE(width=4).modules())
    assert sum(isinstance(m, nn.ConvTranspose2d) for m in autoencoder.decoder.stages.modules()) == 6


@pytest.mark.parametrize("kind", KINDS)
def test_an_autoencoder_learns_to_reconstruct(kind: type[ResDyadAE | ResAE]) -> None:
    torch.manual_seed(0)
    autoencoder: Autoencoder = kind("8x8x20", width=4, bands=4)
    tiles = torch.randn(8, 4, 1, 1).expand(-1, -1, 32, 32)
    optimiser = torch.optim.Adam(autoencoder.parameters(), 1e-2)
    losses = []
    for _ in range(40):
        optimiser.zero_grad()
        loss = nn.functional.mse_loss(autoencoder(tiles), tiles)
        torch.autograd.backward(loss)
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.7 * float(tiles.var())  # what answering the mean colour would cost


def test_wrong_sizes_and_latents_are_refused() -> None:
    with pytest.raises(ValueError, match="multiples of 32"):
        ResDyadAE(width=4)(torch.zeros(1, 3, 150, 150))
    with pytest.raises(ValueError, match="choose one of 8x8x512"):
        stage_widths("4x4x4")  # type: ignore[arg-type]


def test_its_encoder_makes_embeddings() -> None:
    encoder = Encoder(ResDyadAE("8x8x20", width=4).encoder, dimension=16)
    output = encoder(torch.randn(2, 3, 64, 64))
    assert output.embedding.shape == (2, 16)
    assert output.feature.shape == (2, 20)
