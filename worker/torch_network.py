"""The computation of `encoder.onnx` in PyTorch, with a bundle's weights: bytes in, vectors out, on one device."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.fx.experimental.optimization import fuse

from models.export.write_bundle import Bundle
from models.matcher.correlation import CorrelationMatcher
from models.matcher.kinds import PairNetwork
from models.training.loop.precision import usable_precision

LEVELS = 255


class Encoded(NamedTuple):
    """Outputs of the network for N tiles.

    embedding: (N, D) float32, L2-normalised. feature: (N, F) float16. With a matcher also pair: (N, P) uint8 candidate
    features, and query: (N, P) float32 query features; without one both are (N, 0).
    """

    embedding: Tensor
    feature: Tensor
    pair: Tensor
    query: Tensor


class TileNetwork(nn.Module):
    """A bundle's encoder and, if it has a matcher, the matcher's first layer.

    The trunk, which is nearly all of the work, computes in `dtype` over channels-last maps with its batch norms folded into its
    convolutions. The layers after it are small and stay float32: a norm in bf16 is precise to three digits only.
    """

    scale: Tensor
    shift: Tensor
    low: Tensor
    step: Tensor

    def __init__(self, bundle: Bundle, dtype: torch.dtype) -> None:
        super().__init__()
        scale = bundle.card.normalisation
        mean, std = torch.tensor(scale.mean, dtype=torch.float64), torch.tensor(scale.std, dtype=torch.float64)
        self._keep("scale", 1 / (255 * std))
        self._keep("shift", -mean / std)
        self.encoder = bundle.encoder
        self.dtype = dtype
        # Fused while still float32: folding in bf16 would round twice.
        self.trunk = fuse(bundle.encoder.trunk).to(dtype).to(memory_format=torch.channels_last)
        self.matcher: PairNetwork | None = None
        if bundle.matcher is not None:
            self.matcher = bundle.matcher.network
            self._keep("low", torch.tensor(bundle.matcher.stored.low))
            self._keep("step", torch.tensor(bundle.matcher.stored.scale))
        self.eval().requires_grad_(False)

    def forward(self, tiles: Tensor) -> Encoded:
        """tiles: (N, S, S, B) uint8, which is channels-last already."""
        planes = tiles.permute(0, 3, 1, 2).float() * self.scale + self.shift  # (N, B, S, S)
        map_ = self.trunk(planes.to(self.dtype)).float()  # (N, C, h, w)
        feature = map_.mean(dim=(2, 3))
        embedding = self.encoder.project(feature)
        if self.matcher is None:
            nothing = feature[:, :0]
            return Encoded(embedding, feature.half(), nothing.to(torch.uint8), nothing)
        stored = (self.matcher.candidate_half(map_) - self.low) / self.step
        pair = stored.round().clamp(0, LEVELS).to(torch.uint8).flatten(1)
        return Encoded(embedding, feature.half(), pair, self.matcher.query_half(map_).flatten(1))

    def logits(self, query: Tensor, pairs: Tensor) -> Tensor:
        """One query's (P,) float32 features against (M, P) uint8 candidate features: (M, 2) logits, no match and match.

        Raises:
            ValueError: the bundle has no matcher.
        """
        if self.matcher is None:
            raise ValueError("this network has no matcher")
        return self.matcher.tail(*self._features(self.matcher, query, pairs))

    @property
    def has_places(self) -> bool:
        """Whether the matcher compares places."""
        return isinstance(self.matcher, CorrelationMatcher)

    def places(self, query: Tensor, pairs: Tensor) -> tuple[Tensor, Tensor]:
        """How well each place of the query, and of the candidates, is matched: (M, h * w) in 0..1 each; arguments of `logits`.

        Raises:
            ValueError: the bundle has no matcher that compares places.
        """
        if not isinstance(self.matcher, CorrelationMatcher):
            raise ValueError("this network has no matcher that compares places")  # noqa: TRY004 - a property of the bundle
        found = self.matcher.compare(*self._features(self.matcher, query, pairs))
        return found.query_places, found.candidate_places

    def _features(self, matcher: PairNetwork, query: Tensor, pairs: Tensor) -> tuple[Tensor, Tensor]:
        """Query features (1, K, h, w), and candidate features (M, K, h, w) from their bytes."""
        shape = (-1, *matcher.half_shape)
        return query.reshape(shape), self.low + self.step * pairs.reshape(shape).float()

    def _keep(self, name: str, values: Tensor) -> None:
        """One number per channel as (C, 1, 1) float32; a buffer, so that it is moved to the device with the network."""
        self.register_buffer(name, values.float().reshape(-1, 1, 1))


def trunk_dtype(device: torch.device) -> torch.dtype:
    """bf16 if the device computes in it, float32 if it would only emulate it."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    return torch.bfloat16 if usable_precision("bf16", device) == "bf16" else torch.float32
