"""`weights.safetensors`: all tensors of the encoder (`encoder.*`) and of the matcher (`matcher.*`)."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Literal, TypeVar

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from models.backbones.encoder import Encoder
from models.backbones.registry import build_encoder
from models.backbones.weights import WeightsError, read_state
from models.bundle.errors import BundleError
from models.bundle.trained_card import EncoderFacts, TrainedMatcher
from models.matcher.kinds import PairNetwork, build_matcher

Precision = Literal["float32", "float16"]
NetworkT = TypeVar("NetworkT", bound=nn.Module)


def at_precision(network: NetworkT, precision: Precision) -> NetworkT:
    """A copy on the CPU, in evaluation mode and float32, whose values the precision can hold exactly.

    float16 rounds tensors of two or more axes: convolutions and matrices, nearly all weights. Norms and biases stay float32.

    Raises:
        BundleError: a weight is not finite, or too large for float16.
    """
    rounded = copy.deepcopy(network).cpu().float().eval()
    with torch.no_grad():
        for name, tensor in rounded.state_dict().items():
            if precision == "float16" and _is_rounded(tensor):
                tensor.copy_(tensor.half())
            if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
                raise BundleError(f"{name}: a weight is not finite in {precision}; was the training stable?")
    return rounded


def save_weights(path: Path, encoder: Encoder, matcher: PairNetwork | None, precision: Precision) -> None:
    """Write networks that `at_precision` returned."""
    networks = {"encoder": encoder} if matcher is None else {"encoder": encoder, "matcher": matcher}
    tensors = {}
    for prefix, network in networks.items():
        for name, tensor in network.state_dict().items():
            kept = tensor.half() if precision == "float16" and _is_rounded(tensor) else tensor
            # Copies: safetensors refuses views and tensors that share memory.
            tensors[f"{prefix}.{name}"] = kept.detach().clone(memory_format=torch.contiguous_format)
    save_file(tensors, path)
    path.chmod(0o644)  # safetensors makes it private, but other users may serve the bundle


def load_encoder(path: Path, facts: EncoderFacts, *, bands: int, dimension: int) -> Encoder:
    """The encoder of a weights file, float32, in evaluation mode.

    Raises:
        BundleError: there is no such network, or the weights are those of another one.
    """
    with torch.random.fork_rng(devices=[]):  # the random initial weights are overwritten
        try:
            options = facts.model_dump(include={"width", "latent", "pooling"})
            encoder = build_encoder(facts.name, bands=bands, dimension=dimension, **options)
        except ValueError as error:
            raise BundleError(f"the card's encoder: {error}") from None
    return _fill(encoder, path, "encoder.")


def load_matcher(path: Path, facts: TrainedMatcher) -> PairNetwork:
    """The matcher of a weights file, float32, in evaluation mode.

    Raises:
        BundleError: there is no such network, or the weights are those of another one.
    """
    with torch.random.fork_rng(devices=[]):
        try:
            matcher = build_matcher(facts.map_shape, facts.block, hidden=facts.hidden, head=facts.head)
        except ValueError as error:
            raise BundleError(f"the card's matcher: {error}") from None
    return _fill(matcher, path, "matcher.")


def _fill(network: NetworkT, path: Path, prefix: str) -> NetworkT:
    try:
        state = {key.removeprefix(prefix): value for key, value in read_state(path).items() if key.startswith(prefix)}
        network.load_state_dict(state)
    except (WeightsError, RuntimeError) as error:
        reason = str(error).splitlines()[-1].strip()
        raise BundleError(f"{path.name} does not fit the network that the card describes: {reason}") from None
    return network.eval()


def _is_rounded(tensor: Tensor) -> bool:
    return tensor.is_floating_point() and tensor.ndim >= 2
