"""The model card: what a model expects, what it makes, where it comes from."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

FORMAT = 1


class Normalisation(BaseModel):
    """Applied to a tile's 0..255 values after division by 255: `(x - mean) / std`, one number a band."""

    model_config = ConfigDict(frozen=True)

    mean: tuple[float, ...]
    std: tuple[float, ...]


class ModelCard(BaseModel):
    """`card.json` of a bundle, or the card of a built-in model. Unknown fields are kept: later versions may know them.

    input_size: height and width in pixels of the square input. bands: names in order, for example red, green, blue.
    dimension: D of the embedding; feature_dimension, pair_dimension: 0 where the model has none.
    files: sha256 hex digest of every file of the bundle but the card itself, by file name.
    """

    model_config = ConfigDict(frozen=True, extra="allow", protected_namespaces=())

    format: int = FORMAT
    id: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    version: str = "1"
    title: str = ""
    description: str = ""
    kind: Literal["onnx", "hand-crafted"] = "onnx"
    input_size: int = Field(ge=16, le=1024)
    bands: tuple[str, ...] = Field(min_length=1, max_length=64)
    dimension: int = Field(ge=2, le=65_536)
    feature_dimension: int = Field(default=0, ge=0)
    pair_dimension: int = Field(default=0, ge=0)
    normalisation: Normalisation | None = None
    licence: str = ""
    training_data: str = ""
    metrics: dict[str, Any] = Field(default_factory=dict)
    files: dict[str, str] = Field(default_factory=dict)
