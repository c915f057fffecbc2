"""Parity: whether ONNX Runtime and PyTorch compute the same outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.bundle.errors import ParityError
from models.bundle.sessions import open_session

TOLERANCE = 1e-4


def check_parity(
    path: Path, network: nn.Module, inputs: Mapping[str, Tensor], outputs: Sequence[str], tolerance: float = TOLERANCE
) -> None:
    """Run both on the same inputs and compare every output.

    network: in evaluation mode, on the CPU; its outputs in the order of `outputs`. tolerance: of the largest difference,
    relative to the output's largest value if that is above 1. uint8 outputs may differ by one, because of rounding.

    Raises:
        ParityError: they differ; the message names the output.
    """
    with torch.no_grad():
        answer = network(*inputs.values())
    wanted: Sequence[Tensor] = (answer,) if isinstance(answer, Tensor) else answer
    found = open_session(path, torch.get_num_threads()).run(
        list(outputs), {name: value.numpy() for name, value in inputs.items()}
    )
    for name, array, tensor in zip(outputs, found, wanted, strict=True):
        reason = _difference(array, tensor.numpy(), tolerance)
        if reason is not None:
            raise ParityError(
                f"{path.name}: {name!r} {reason}; the exporter did not convert the network correctly; do not use the graph"
            )


def _difference(found: NDArray[Any], wanted: NDArray[Any], tolerance: float) -> str | None:
    if found.shape != wanted.shape or found.dtype != wanted.dtype:
        return f"is {found.dtype} {found.shape}, not {wanted.dtype} {wanted.shape}"
    if not (np.isfinite(found).all() and np.isfinite(wanted).all()):
        return "is not finite"
    largest = float(np.abs(found.astype(np.float64) - wanted.astype(np.float64)).max())
    allowed = 1.0 if wanted.dtype == np.uint8 else tolerance * max(1.0, float(np.abs(wanted).max()))
    return f"differs from PyTorch's by {largest:.2g}, more than {allowed:.2g}" if largest > allowed else None
