"""The number format of a run."""

from __future__ import annotations

from typing import Literal

import torch

Precision = Literal["fp32", "bf16"]
_EMULATING = ("DEFAULT", "AVX2")
"""CPU capabilities that emulate bf16; a ResNet-18 trains ten times slower in it (measured on AMD EPYC with AVX2)."""


def usable_precision(wanted: Precision, device: torch.device) -> Precision:
    """`wanted`, or fp32 on a CPU on which bf16 is slower."""
    if wanted == "bf16" and device.type == "cpu" and torch.backends.cpu.get_cpu_capability() in _EMULATING:
        return "fp32"
    return wanted
