"""Adapt a trained first convolution to another number of bands."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


def adapt_weight(weight: Tensor, bands: int) -> Tensor:
    """Distribute the filters of a convolution over another number of bands.

    More bands: band j takes the filter of old band j mod B, divided by the number of bands that share it. Fewer: old filter i
    is added to that of band i mod `bands`. In both cases the sum of the filters over the bands is kept, so that an image with
    equal bands gives the same response, and the scale of activations, on which batch norms depend, does not change.

    weight: (O, B, kh, kw) float. Returns (O, bands, kh, kw).

    Raises:
        ValueError: bands < 1.
    """
    if bands < 1:
        raise ValueError(f"{bands} bands: a network needs at least one")
    old = weight.shape[1]
    if bands <= old:
        merged = weight.new_zeros(weight.shape[0], bands, *weight.shape[2:])
        return merged.index_add(1, torch.arange(old, device=weight.device) % bands, weight)
    source = torch.arange(bands, device=weight.device) % old
    sharers = torch.bincount(source, minlength=old)[source].to(weight.dtype)
    return weight[:, source] / sharers[:, None, None]


def adapt_conv(conv: nn.Conv2d, bands: int) -> nn.Conv2d:
    """A copy of `conv` that takes `bands` input channels, with `adapt_weight` applied; `conv` itself if it has as many.

    Raises:
        ValueError: bands < 1, or a grouped convolution.
    """
    if conv.in_channels == bands:
        return conv
    if conv.groups != 1:
        raise ValueError("a grouped first convolution cannot be adapted to another number of bands")
    adapted = copy.deepcopy(conv)
    adapted.in_channels = bands
    adapted.weight = nn.Parameter(adapt_weight(conv.weight.detach(), bands), requires_grad=conv.weight.requires_grad)
    return adapted
