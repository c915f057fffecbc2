"""`card.json`: what a bundle expects, what it makes, where it comes from. The service reads the same file by its own rules."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Part(BaseModel):
    # "constants": a NaN stays one when it is dumped, so that it can be refused instead of becoming null.
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=(), ser_json_inf_nan="constants")


class Normalisation(_Part):
    """`(x / 255 - mean) / std` of a tile's 0..255 values, one number a band."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(self.mean) != len(self.std):
            raise ValueError(f"{len(self.mean)} means and {len(self.std)} deviations")
        if not all(map(math.isfinite, (*self.mean, *self.std))) or min(self.std, default=1.0) <= 0:
            raise ValueError("means must be finite, deviations finite and above 0")
        return self


class TrainingSet(_Part):
    """Imagery that a model was trained on. terms: under which it may be used. images: how many of them were."""

    name: Annotated[str, Field(min_length=1)]
    terms: Annotated[str, Field(min_length=1)]
    images: Annotated[int, Field(ge=0)] | None = None
    source: str = ""


class Measurement(_Part):
    """Numbers, and how they were taken: split, queries, database, seeds. A number without its protocol says nothing."""

    protocol: Annotated[str, Field(min_length=1)]
    values: dict[str, Any]


class EncoderFacts(_Part):
    """What `backbones.registry.build_encoder` needs besides bands and dimension."""

    name: str
    width: Annotated[int, Field(ge=1)] = 64
    latent: Literal["8x8x512", "8x8x20", "1x1x1024"] = "8x8x512"


class Stored(_Part):
    """How the bytes of `pair` are read: value = low + scale * byte, one number a channel of the half, or one for all."""

    low: Annotated[tuple[float, ...], Field(min_length=1)]
    scale: Annotated[tuple[float, ...], Field(min_length=1)]


class MatcherFacts(_Part):
    """map_shape: (C, h, w) of the encoder's map. half_shape: (K, h, w) of a half; `pair` is it, flattened row-major.

    calibration: of the logits to a probability. fusion: of that with the embedding's similarity. Both as they were learned,
    None where they were not.
    """

    block: Literal["dyad", "residual"]
    hidden: int
    head: int
    map_shape: tuple[int, int, int]
    half_shape: tuple[int, int, int]
    stored: Stored
    calibration: dict[str, Any] | None = None
    fusion: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.half_shape != (self.hidden, *self.map_shape[1:]):
            raise ValueError(f"half_shape: {self.half_shape} is no half of {self.hidden} channels of {self.map_shape}")
        if not len(self.stored.low) == len(self.stored.scale) in (1, self.hidden):
            raise ValueError(f"stored: {len(self.stored.low)} lows, {len(self.stored.scale)} scales for {self.hidden} channels")
        return self


class Int8Report(_Part):
    """Scores in points (0..100) of the float32 and the int8 encoder; loss: their difference; allowed: what it might be."""

    calibration_tiles: int
    score_float32: float
    score_int8: float
    loss: float
    allowed: float


class Facts(_Part):
    """What whoever trained a model knows of it.

    id: also the name of the bundle's folder. bands: names in order. recipe, matcher_recipe: of the runs (a `Recipe` is put
    down as plain values). splits: how the images were divided. metrics: measurements by name.
    """

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
    version: str = "1"
    title: str = ""
    description: str = ""
    licence: str = ""
    input_size: Annotated[int, Field(ge=16, le=1024)]
    bands: Annotated[tuple[str, ...], Field(min_length=1, max_length=64)]
    normalisation: Normalisation
    encoder: EncoderFacts
    recipe: dict[str, Any]
    matcher_recipe: dict[str, Any] | None = None
    seed: Annotated[int, Field(ge=0)]
    training_sets: tuple[TrainingSet, ...]
    splits: dict[str, Any] = Field(default_factory=dict)
    metrics: dict[str, Measurement] = Field(default_factory=dict)

    @field_validator("recipe", "matcher_recipe", mode="before")
    @classmethod
    def _plain(cls, value: Any) -> Any:
        return value.model_dump(mode="json") if isinstance(value, BaseModel) else value

    @model_validator(mode="after")
    def _check_bands(self) -> Self:
        if len(self.normalisation.mean) != len(self.bands):
            raise ValueError(f"normalisation: {len(self.normalisation.mean)} means for {len(self.bands)} bands")
        return self


class BundleCard(Facts):
    """The whole card. Unknown fields are kept: later versions may know them.

    training_data: the training sets and their terms in one line, for people. weights: precision of `weights.safetensors`;
    the graphs are made of the weights as they are in it. files: sha256 of every other file, by name.

    Of a bundle that is another one with a new head: base: its id. head: how the head was trained. encoder_digest, pair_digest:
    equal among bundles that make the same `feature`, the same `pair`, of a tile; a bundle that has none is known by the sha256
    of its `encoder.onnx`.
    """

    model_config = ConfigDict(extra="allow")

    format: Literal[1] = 1
    kind: Literal["onnx"] = "onnx"
    dimension: Annotated[int, Field(ge=2, le=65_536)]
    feature_dimension: Annotated[int, Field(ge=0)] = 0
    pair_dimension: Annotated[int, Field(ge=0)] = 0
    training_data: str = ""
    code_version: str
    precision: Literal["float32", "int8"]
    int8: Int8Report | None = None
    weights: Literal["float32", "float16"]
    matcher: MatcherFacts | None = None
    files: dict[str, Digest]
    base: str | None = None
    head: dict[str, Any] | None = None
    encoder_digest: Digest | None = None
    pair_digest: Digest | None = None

    @model_validator(mode="after")
    def _check_whole(self) -> Self:
        if (self.precision == "int8") != (self.int8 is not None):
            raise ValueError("int8: an int8 encoder says what it lost, and no other")
        length = math.prod(self.matcher.half_shape) if self.matcher is not None else 0
        if self.pair_dimension != length:
            raise ValueError(f"pair_dimension: {self.pair_dimension}, but the matcher's halves have {length} numbers")
        return self


def describe_data(sets: tuple[TrainingSet, ...]) -> str:
    """Training sets and their terms in one line."""
    return "; ".join(f"{each.name}{'' if each.images is None else f' ({each.images} images)'}: {each.terms}" for each in sets)
