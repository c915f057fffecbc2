"""Batches for the tests of losses, and the two checks that each of them gets."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

Array = npt.NDArray[np.float64]


def batch(count: int = 12, dim: int = 6, classes: int = 4, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Unit embeddings (count, dim) float32 and labels (count,) int64 with every class in it; the classes overlap."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % classes
    centres = torch.randn(classes, dim, generator=generator)
    embeddings = centres[labels] + torch.randn(count, dim, generator=generator)
    return nn.functional.normalize(embeddings, dim=1), labels


def to_numpy(tensor: Tensor) -> Array:
    """The same numbers as float64, for a plain recomputation."""
    return tensor.detach().numpy().astype(np.float64)


def unit_rows(rows: Array) -> Array:
    """Each row divided by its length."""
    units: Array = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return units


def log_sum_exp(values: Array) -> float:
    """log sum exp of a vector."""
    return float(np.log(np.exp(values - values.max()).sum()) + values.max())


def close(loss: Tensor, expected: float) -> bool:
    """A scalar loss within 1e-5 of the recomputed one, relative to its size where that is above 1."""
    return loss.shape == () and abs(loss.item() - expected) <= 1e-5 * max(1.0, abs(expected))


def gradient_is_right(loss: nn.Module, call: Callable[[Tensor], Tensor], embeddings: Tensor) -> bool:
    """The gradient for the embeddings, L2-normalised inside, agrees with finite differences in float64.

    `loss` is turned to float64; `call` takes the normalised embeddings and returns it.
    """
    loss.double()
    raw = (embeddings.double() * 1.3).requires_grad_()
    return torch.autograd.gradcheck(lambda rows: call(nn.functional.normalize(rows, dim=1)), (raw,), fast_mode=False)
