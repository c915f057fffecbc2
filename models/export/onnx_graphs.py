"""Networks as ONNX graphs: the encoder, and the matcher in two pieces.

    encoder.onnx     tiles (N, B, S, S) float32 normalised -> embedding (N, D), L2-normalised; feature (N, F); with a matcher
                     also pair (N, P) uint8, the candidate features, and map (N, C, h, w), the input of the query features
    query_half.onnx  map (N, C, h, w) -> half (N, P)
    tail.onnx        half (1, P), pair (M, P) uint8 -> logits (M, 2): no match, match; of a correlation matcher also
                     query_places and candidate_places (M, h w): how well each place is matched, 0 to 1

float32 unless noted; N and M are dynamic. P = K h w: query and candidate features are flattened. Every graph is compared with
its network before it is used.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

from models.backbones.encoder import Encoder
from models.bundle.errors import BundleError
from models.bundle.files import QUERY_FEATURES_FILE, TAIL_FILE
from models.bundle.graphs import CANDIDATE_PLACES, LOGITS, QUERY_PLACES
from models.export.parity import check_parity
from models.matcher.correlation import CorrelationMatcher
from models.matcher.fast_tail import FastTail, fits
from models.matcher.kinds import PairNetwork
from models.matcher.quantise import Quantisation, dequantise, quantise
from models.matcher.split import SplitMatcher

EXAMPLES = 3
_SEED = 0


@dataclass(frozen=True, slots=True)
class QuantisedMatcher:
    """A matcher, and the quantisation of its candidate features to bytes (`matcher.quantise.fit_quantisation`)."""

    network: PairNetwork
    stored: Quantisation


def export_encoder(
    path: Path, encoder: Encoder, size: int, *, matcher: QuantisedMatcher | None = None, examples: Tensor | None = None
) -> None:
    """Write `encoder.onnx` for tiles of `size` x `size` pixels.

    examples: (N, B, S, S) float32, normalised, at least two, to compare graph and network on; None for noise.

    Raises:
        BundleError: matcher or examples do not fit the encoder. ParityError: graph and network differ by more than 1e-4.
    """
    shape = (encoder.bands, size, size)
    tiles = _noise(EXAMPLES, *shape) if examples is None else examples.detach().cpu().float().contiguous()
    if tiles.shape[1:] != shape or len(tiles) < 2:
        raise BundleError(f"examples of shape {tuple(tiles.shape)}: pass at least two tiles of {shape}")
    outputs = ["embedding", "feature"]
    if matcher is not None:
        map_shape = encoder.map_shape(size)
        if map_shape != tuple(matcher.network.map_shape):
            raise BundleError(
                f"the matcher takes maps of {tuple(matcher.network.map_shape)}, but the encoder makes {map_shape} "
                f"of {size} pixels; train the matcher on this encoder's maps at this size"
            )
        outputs += ["pair", "map"]
    _export(path, _EncoderGraph(encoder, matcher), {"tiles": tiles}, outputs, free={"tiles": "N"})


def export_matcher(folder: Path, matcher: QuantisedMatcher) -> None:
    """Write `query_half.onnx` and `tail.onnx`; the candidate features are computed by the encoder's graph.

    Raises:
        ParityError: graph and network differ by more than 1e-4.
    """
    network = matcher.network
    maps = _noise(EXAMPLES, *network.map_shape)
    _export(folder / QUERY_FEATURES_FILE, _QueryFeaturesGraph(network), {"map": maps}, ["half"], free={"map": "N"})
    generator = torch.Generator().manual_seed(_SEED)
    pairs = torch.randint(0, 256, (EXAMPLES, network.pair_dimension), dtype=torch.uint8, generator=generator)
    inputs = {"half": _noise(1, network.pair_dimension), "pair": pairs}
    if isinstance(network, CorrelationMatcher):
        outputs = [LOGITS, QUERY_PLACES, CANDIDATE_PLACES]
        _export(folder / TAIL_FILE, _ComparisonGraph(network, matcher.stored), inputs, outputs, free={"pair": "M"})
        return
    plain = _TailGraph(network, matcher.stored)
    graph = FastTail(network, matcher.stored) if fits(network) else plain
    _export(folder / TAIL_FILE, graph, inputs, [LOGITS], free={"pair": "M"}, like=plain)


class _EncoderGraph(nn.Module):
    """The computation of `encoder.onnx`."""

    def __init__(self, encoder: Encoder, matcher: QuantisedMatcher | None) -> None:
        super().__init__()
        self.encoder = encoder
        self.matcher = None if matcher is None else matcher.network
        self._stored = None if matcher is None else matcher.stored

    def forward(self, tiles: Tensor) -> tuple[Tensor, ...]:
        embedding, feature, map_ = self.encoder(tiles)
        if self.matcher is None or self._stored is None:
            return embedding, feature
        pair = quantise(self.matcher.candidate_half(map_), self._stored).flatten(1)
        return embedding, feature, pair, map_


class _QueryFeaturesGraph(nn.Module):
    """The computation of `query_half.onnx`."""

    def __init__(self, matcher: PairNetwork) -> None:
        super().__init__()
        self.matcher = matcher

    def forward(self, map: Tensor) -> Tensor:
        return self.matcher.query_half(map).flatten(1)


class _TailGraph(nn.Module):
    """The computation of `tail.onnx`, also for matchers without a fast tail."""

    def __init__(self, matcher: SplitMatcher, stored: Quantisation) -> None:
        super().__init__()
        self.matcher = matcher
        self._stored = stored

    def forward(self, half: Tensor, pair: Tensor) -> Tensor:
        shape = (-1, *self.matcher.half_shape)
        candidates = dequantise(pair.reshape(shape), self._stored)
        return self.matcher.tail(half.reshape(shape), candidates)


class _ComparisonGraph(nn.Module):
    """The computation of `tail.onnx` for a correlation matcher."""

    def __init__(self, matcher: CorrelationMatcher, stored: Quantisation) -> None:
        super().__init__()
        self.matcher = matcher
        self._stored = stored

    def forward(self, half: Tensor, pair: Tensor) -> tuple[Tensor, ...]:
        shape = (-1, *self.matcher.half_shape)
        return tuple(self.matcher.compare(half.reshape(shape), dequantise(pair.reshape(shape), self._stored)))


def _export(
    path: Path,
    network: nn.Module,
    inputs: Mapping[str, Tensor],
    outputs: Sequence[str],
    free: Mapping[str, str],
    like: nn.Module | None = None,
) -> None:
    """free: name of the dynamic first axis, by input. like: the network that the graph is compared with, if not `network`."""
    network = copy.deepcopy(network).cpu().float().eval()
    shapes = {name: {0: torch.export.Dim(free[name])} if name in free else None for name in inputs}
    program = torch.onnx.export(
        network, tuple(inputs.values()), input_names=list(inputs), output_names=list(outputs), dynamic_shapes=shapes,
        dynamo=True, external_data=False, verbose=False,
    )  # fmt: skip
    if program is None:
        raise BundleError(f"{path.name}: torch.onnx.export returned no graph")
    model = program.model_proto
    _forget_origin(model)
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString(deterministic=True))
    wanted = network if like is None else copy.deepcopy(like).cpu().float().eval()
    check_parity(path, wanted, inputs, outputs)
    check_parity(path, wanted, {name: value[:1] for name, value in inputs.items()}, outputs)


def _forget_origin(model: onnx.ModelProto) -> None:
    """Remove the source lines and stack traces that the exporter adds to every node, which contain local paths, and the shapes
    of inner values, which a runtime infers."""
    graph = model.graph
    model.ClearField("metadata_props")
    graph.ClearField("value_info")
    for part in (graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer, *model.functions):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")


def _noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(_SEED))
