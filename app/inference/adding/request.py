"""What a user states about an encoder that is added as a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Pooling = Literal["mean", "cls"]
"""How tokens (N, T, C) become one vector: their mean, or the first one."""


@dataclass(frozen=True, slots=True)
class EncoderRequest:
    """Facts about an encoder.

    id: of the new model. bands: names in order. size: height and width of the input in pixels, None if the graph fixes it.
    mean, std: of the values divided by 255, one number per band or one for all; empty for 0 and 1. output: name of the output
    to use, None to choose it. research_only: None if unknown.
    """

    id: str
    bands: tuple[str, ...]
    size: int | None = None
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    output: str | None = None
    pooling: Pooling = "mean"
    title: str = ""
    description: str = ""
    licence: str = ""
    training_data: str = ""
    research_only: bool | None = None
