"""The model card: what a model expects, what it makes, where it comes from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

FORMAT = 1
ENCODER_FILE = "encoder.onnx"
QUERY_HALF_FILE = "query_half.onnx"
TAIL_FILE = "tail.onnx"
MODEL_ID = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
"""Also the name of a bundle's folder, so no dot comes first."""
Origin = Literal["shipped", "built-in", "added"]
MAX_DEPTH = 1000
"""Candidates that a matcher looks at, at most."""

LARGE = 1e6
"""No learned number of a card is larger, so that what is computed with them stays finite."""

Learned = Annotated[float, Field(ge=-LARGE, le=LARGE, allow_inf_nan=False)]
Size = Annotated[int, Field(ge=1, le=65_536)]
Shape = tuple[Size, Size, Size]


class Normalisation(BaseModel):
    """Applied to a tile's 0..255 values after division by 255: `(x - mean) / std`, one number a band."""

    model_config = ConfigDict(frozen=True)

    mean: tuple[float, ...]
    std: tuple[float, ...]


class Fusion(BaseModel):
    """How embedding and matcher rank together: by `cosine + weight * log_odds`, the first `depth` places.

    weight: what one unit of log-odds is worth in cosine; 0 where the matcher has no say.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    formula: Literal["cosine + weight * log_odds"] = "cosine + weight * log_odds"
    weight: Annotated[float, Field(ge=0, le=LARGE, allow_inf_nan=False)]
    depth: Annotated[int, Field(ge=1, le=MAX_DEPTH)] = 100


class Calibration(BaseModel):
    """The probability that a pair matches: `sigmoid(scale * log_odds + slope * cosine + offset)`."""

    model_config = ConfigDict(frozen=True, extra="allow")

    formula: Literal["sigmoid(scale * log_odds + slope * cosine + offset)"] = (
        "sigmoid(scale * log_odds + slope * cosine + offset)"
    )
    scale: Annotated[float, Field(gt=0, le=LARGE, allow_inf_nan=False)] = 1.0
    offset: Learned = 0.0
    slope: Learned = 0.0


class MatcherCard(BaseModel):
    """The network that looks at pairs of tiles.

    map_shape: (C, h, w) of the encoder's map. half_shape: (K, h, w) of a half; the stored `pair` is one, flattened row-major.
    fusion, calibration: as they were learned, None where they were not.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    map_shape: Shape
    half_shape: Shape
    fusion: Fusion | None = None
    calibration: Calibration | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.half_shape[1:] != self.map_shape[1:]:
            raise ValueError(f"half_shape {self.half_shape} is not as high and wide as map_shape {self.map_shape}")
        return self

    @property
    def half_dimension(self) -> int:
        """P: how many numbers a half has."""
        return math.prod(self.half_shape)


class ModelCard(BaseModel):
    """`card.json` of a bundle, or the card of a built-in model. Unknown fields are kept: later versions may know them.

    input_size: height and width in pixels of the square input. bands: names in order, for example red, green, blue.
    dimension: D of the embedding; feature_dimension, pair_dimension: 0 where the model has none.
    matcher: the network that looks at pairs, None where there is none.
    encoder_digest, pair_digest: equal among models that make the same feature, the same pair half, of a tile (a model and the
        heads trained on it); one that has none is known by the sha256 of its encoder.
    files: sha256 hex digest of every file of the bundle but the card itself, by file name.
    """

    model_config = ConfigDict(frozen=True, extra="allow", protected_namespaces=())

    format: int = FORMAT
    id: str = Field(pattern=MODEL_ID)
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
    matcher: MatcherCard | None = None
    encoder_digest: str | None = None
    pair_digest: str | None = None
    licence: str = ""
    training_data: str = ""
    metrics: dict[str, Any] = Field(default_factory=dict)
    files: dict[str, str] = Field(default_factory=dict)

    def has_encoder_of(self, other: ModelCard) -> bool:
        """Whether both have one and the same encoder file, so that all that they make of a tile is the same."""
        return self._encoder is not None and self._encoder == other._encoder

    def has_features_of(self, other: ModelCard) -> bool:
        """Whether both make the same feature of a tile."""
        ours, theirs = self.encoder_digest or self._encoder, other.encoder_digest or other._encoder
        return 0 < self.feature_dimension == other.feature_dimension and ours is not None and ours == theirs

    def has_pairs_of(self, other: ModelCard) -> bool:
        """Whether both make the same pair half of a tile."""
        ours, theirs = self.pair_digest or self._encoder, other.pair_digest or other._encoder
        return 0 < self.pair_dimension == other.pair_dimension and ours is not None and ours == theirs

    @property
    def _encoder(self) -> str | None:
        return self.files.get(ENCODER_FILE)


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A model at hand.

    origin: a bundle that comes with Dyad, code of Dyad's own, or a bundle that somebody added. size: bytes of its files.
    """

    card: ModelCard
    origin: Origin
    size: int
