"""Models as the service lists them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.bundle.card import ModelCard

DEFAULT_MODEL = "dyad-rgb"
"""The bundled model that new collections use until another model is activated; if it is not installed, another bundled one."""

Origin = Literal["shipped", "built-in", "added"]


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """An available model.

    origin: a bundle that ships with Dyad, a model in Dyad's own code, or a bundle that a user added. size: bytes of its files.
    """

    card: ModelCard
    origin: Origin
    size: int
