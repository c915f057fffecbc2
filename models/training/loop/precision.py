"""Which number format a run computes in."""

from __future__ import annotations

from typing import Literal

import torch

Precision = Literal["fp32", "bf16"]
_EMULATING = ("DEFAULT", "AVX2")
"""Processors that have to emulate bf16; a ResNet-18 trained ten times as slowly in it (AMD EPYC with AVX2)."""


def usable_precision(wanted: Precision, device: torch.device) -> Precision:
    """`wanted`, but fp32 on a processor on which bf16 would be slower."""
    if wanted == "bf16" and device.type == "cpu" and torch.backends.cpu.get_cpu_capability() in _EMULATING:
        return "fp32"
    return wanted
