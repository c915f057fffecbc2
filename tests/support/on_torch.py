"""Bundles on PyTorch, on whatever devices this machine has."""

from __future__ import annotations

from pathlib import Path

import torch

from worker.torch_inference import TorchInference


def devices() -> list[str]:
    """Names of the devices, the CPU first."""
    return ["cpu", *(["cuda:0"] if torch.cuda.is_available() else [])]


def open_bundle(folder: Path, device: str) -> TorchInference:
    """A bundle's model."""
    return TorchInference(folder, torch.device(device))
