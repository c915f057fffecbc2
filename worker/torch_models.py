"""How a worker opens bundles: with PyTorch on its GPU, or with ONNX Runtime without a GPU."""

from __future__ import annotations

import logging
from pathlib import Path

import torch

from app.inference.bundles import read_bundle
from app.inference.onnx import OnnxInference
from app.ports import Inference
from models.bundle.trained_card import trained_card_problem
from models.heads.errors import DeviceError
from worker.torch_inference import TorchInference

log = logging.getLogger(__name__)


def find_device(name: str) -> torch.device:
    """A device by its name, `cpu`, `cuda` or `cuda:1`; `auto` is the first GPU, or the CPU without one.

    Raises:
        DeviceError: no such device; the message lists the available ones.
    """
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        return torch.device("cuda:0" if count else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise DeviceError(f"device {name!r}: choose auto, cpu, cuda or cuda:N") from None
    if device.type not in ("cpu", "cuda"):
        raise DeviceError(f"device {name!r}: choose auto, cpu, cuda or cuda:N")
    if device.type == "cuda" and (device.index or 0) >= count:
        there = f"the GPUs are cuda:0 to cuda:{count - 1}" if count else "torch finds no GPU (driver, CUDA_VISIBLE_DEVICES)"
        raise DeviceError(f"device {name!r}: {there}; choose another, or cpu")
    return torch.device("cuda", device.index or 0) if device.type == "cuda" else device


class DeviceModels:
    """Opens bundles for `LocalModels` on one device.

    On the CPU with ONNX Runtime, whose int8 graphs are several times as fast as torch.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def __call__(self, folder: Path, threads: int) -> Inference:
        """The model of a bundle's folder.

        Raises:
            InvalidBundle: it is not valid.
        """
        if self._device.type == "cpu":
            return OnnxInference(folder, threads)
        if (problem := trained_card_problem(read_bundle(folder))) is not None:
            log.warning("model %s runs on the CPU with ONNX Runtime: %s", folder.name, problem)
            return OnnxInference(folder, threads)
        return TorchInference(folder, self._device)
