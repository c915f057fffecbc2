"""Build a loss from its configuration."""

from __future__ import annotations

from importlib import import_module

from torch import nn

from models.losses.configs import LossConfig


def build_loss(config: LossConfig, *, num_classes: int, dim: int, num_images: int) -> nn.Module:
    """Import and build the loss that `config` describes; `config.inputs` tells what to call it with.

    num_classes: C, of the labelled training set. dim: D, of the embedding. num_images: T, of the labelled training set.
    A loss takes only those of them that its configuration lists as `sizes`. Its parameters (class prototypes) are trained
    with the network's.

    Raises:
        ValueError: parameters that contradict each other.
    """
    module, _, name = config.implementation.partition(":")
    sizes = {"num_classes": num_classes, "dim": dim, "num_images": num_images}
    parameters = config.model_dump(exclude={"name"})
    loss: nn.Module = getattr(import_module(module), name)(**{size: sizes[size] for size in config.sizes}, **parameters)
    return loss
