"""The autoencoders of the residual-dyad paper (section IV-A and B, figure 2): `ResDyadAE` and, for the ablation, `ResAE`.

The encoder is a shallow stem (the only pooling), then three stages that halve the map by convolutions of stride 2; the
decoder mirrors it with transposed convolutions. A stage of `ResDyadAE` is one residual-dyad: H(varphi) + F_B(varphi) of
varphi = phi + F_A(phi). A stage of `ResAE` is H(varphi), a full pre-activation residual block and a convolution of stride 2.
So ResAE lacks the residual function F_B, and with it 39 % of the parameters (10.9 instead of 17.9 million at width 64): the
paper does not give the sizes of its networks, and the ablation is not one of equal capacity.
Both are trained by the mean squared error of the reconstruction (equation 5).
"""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar, Literal, get_args

from torch import Tensor, nn

from models.backbones.blocks import IdentityBlock, ResDyad, conv, init_convs
from models.backbones.trunk import Trunk
from models.bundle.trained_card import Latent

Stage = Literal["dyad", "residual"]
LATENTS: tuple[Latent, ...] = get_args(Latent)
WIDTH = 64
_STEM_REDUCTION = 4
_DEPTH: dict[Latent, int] = {"8x8x512": 3, "8x8x20": 3, "1x1x1024": 6}
_CHANNELS: dict[Latent, int] = {"8x8x512": 512, "8x8x20": 20, "1x1x1024": 1024}


def stage_widths(latent: Latent, width: int = WIDTH) -> tuple[int, ...]:
    """Channels of the map after the stem and after each stage; `latent` names the last map's shape at 256 pixels.

    8x8x512: (64, 128, 256, 512). 8x8x20 narrows the last stage. 1x1x1024 goes three stages deeper. `width` scales all but
    the last.

    Raises:
        ValueError: not one of `LATENTS`.
    """
    if latent not in LATENTS:
        raise ValueError(f"latent {latent!r}: choose one of {', '.join(LATENTS)}")
    inner = [width * min(2**k, 8) for k in range(_DEPTH[latent])]
    return (*inner, _CHANNELS[latent])


class AutoencoderTrunk(Trunk):
    """The encoder sub-network f_e (equation 1): tiles (N, B, S, S) to z (N, C, S / r, S / r), any sign.

    r, the `reduction`, is 32 (256 for the latent 1x1x1024). z is the input of the paper's matchers.
    """

    first_conv: str = "stem.0"
    weight_prefix: ClassVar[str] = "encoder."

    def __init__(self, stage: Stage, latent: Latent = "8x8x512", *, width: int = WIDTH, bands: int = 3) -> None:
        widths = stage_widths(latent, width)
        super().__init__(channels=widths[-1])
        self.reduction = _STEM_REDUCTION * 2 ** (len(widths) - 1)
        self.stem = nn.Sequential(
            nn.Conv2d(bands, widths[0], kernel_size=7, stride=2, padding=3, bias=False),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2, padding=1),
        )
        self.stages = nn.Sequential(*(_stage(stage, a, b) for a, b in pairwise(widths)))
        init_convs(self)

    def forward(self, tiles: Tensor) -> Tensor:
        """(N, B, S, S) float32 to (N, C, ceil(S / r), ceil(S / r)) float32."""
        z: Tensor = self.stages(self.stem(tiles))
        return z


class AutoencoderDecoder(nn.Module):
    """The decoder sub-network f_d (equation 4): z (N, C, h, w) to tiles (N, B, r h, r w), any sign."""

    def __init__(self, stage: Stage, latent: Latent = "8x8x512", *, width: int = WIDTH, bands: int = 3) -> None:
        super().__init__()
        widths = stage_widths(latent, width)[::-1]
        last, half = widths[-1], max(widths[-1] // 2, 1)
        self.stages = nn.Sequential(*(_stage(stage, a, b, up=True) for a, b in pairwise(widths)))
        self.upsample = nn.Sequential(
            *(nn.BatchNorm2d(last), nn.ReLU(inplace=True), conv(last, last, stride=2, transposed=True)),
            *(nn.BatchNorm2d(last), nn.ReLU(inplace=True), conv(last, half, stride=2, transposed=True)),
            *(nn.BatchNorm2d(half), nn.ReLU(inplace=True)),
        )
        self.to_bands = nn.Conv2d(half, bands, kernel_size=3, padding=1)
        init_convs(self.stages)
        init_convs(self.upsample)

    def forward(self, z: Tensor) -> Tensor:
        """(N, C, h, w) float32 to (N, B, r h, r w) float32, in the normalised units of the tiles."""
        tiles: Tensor = self.to_bands(self.upsample(self.stages(z)))
        return tiles


class Autoencoder(nn.Module):
    """An encoder and a mirrored decoder. `Encoder(autoencoder.encoder)` gives embeddings of its features."""

    def __init__(self, stage: Stage, latent: Latent, *, width: int, bands: int) -> None:
        super().__init__()
        self.encoder = AutoencoderTrunk(stage, latent, width=width, bands=bands)
        self.decoder = AutoencoderDecoder(stage, latent, width=width, bands=bands)

    def encode(self, tiles: Tensor) -> Tensor:
        """z = f_e(x): (N, B, S, S) float32 to (N, C, S / r, S / r) float32."""
        z: Tensor = self.encoder(tiles)
        return z

    def decode(self, z: Tensor) -> Tensor:
        """x~ = f_d(z): (N, C, h, w) float32 to (N, B, r h, r w) float32."""
        tiles: Tensor = self.decoder(z)
        return tiles

    def forward(self, tiles: Tensor) -> Tensor:
        """Reconstruct: (N, B, S, S) float32, S a multiple of the encoder's reduction r, to the same shape.

        Raises:
            ValueError: S is not a multiple of r.
        """
        reduction = self.encoder.reduction
        if tiles.shape[-1] % reduction or tiles.shape[-2] % reduction:
            raise ValueError(f"tiles of {tuple(tiles.shape[-2:])} pixels: sides must be multiples of {reduction}")
        return self.decode(self.encode(tiles))


class ResDyadAE(Autoencoder):
    """The paper's autoencoder: residual-dyads, three down and three up. 512 x 8 x 8 features at 256 pixels by default."""

    def __init__(self, latent: Latent = "8x8x512", *, width: int = WIDTH, bands: int = 3) -> None:
        super().__init__("dyad", latent, width=width, bands=bands)


class ResAE(Autoencoder):
    """The same without the residual function of the dyads' second block: the ablation of table I, with fewer parameters."""

    def __init__(self, latent: Latent = "8x8x512", *, width: int = WIDTH, bands: int = 3) -> None:
        super().__init__("residual", latent, width=width, bands=bands)


def _stage(stage: Stage, inputs: int, outputs: int, *, up: bool = False) -> nn.Module:
    if stage == "dyad":
        return ResDyad(inputs, outputs, stride=2, transposed=up)
    return nn.Sequential(IdentityBlock(inputs), conv(inputs, outputs, stride=2, transposed=up))
