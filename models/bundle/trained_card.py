"""The fields that Dyad's training records in a card, so that the networks of a bundle can be built and trained again."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from models.bundle.card import EmbeddingRanking, Identity, MatcherCard, ModelCard, Normalisation, first_problem
from models.bundle.errors import BundleError
from models.bundle.files import CARD_FILE, WEIGHTS_FILE

Digest = Annotated[str, Field(pattern=r"^[0-9a-fA-F]{64}$")]
Latent = Literal["8x8x512", "8x8x20", "1x1x1024"]
"""Height, width and channels of an autoencoder's features at 256 pixels."""
MatcherBlock = Literal["dyad", "residual", "correlation"]
"""What a matcher computes: the paper's network with a residual-dyad or a plain residual block, or a correlation of places."""
Pooling = Literal["mean", "two-layer"]
"""How an encoder makes its feature of its maps."""
OLD_ENCODERS = {"residual-attention-resnet18": "attention-resnet18"}
"""Encoder names of earlier cards, and the current ones."""


def current_encoder(name: Any) -> Any:
    """The current name of an encoder; other values are returned unchanged."""
    return OLD_ENCODERS.get(name, name) if isinstance(name, str) else name


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow", protected_namespaces=())


class TrainingSet(_Part):
    """Imagery that a model was trained on. terms: its licence or terms of use. images: how many images were used."""

    name: Annotated[str, Field(min_length=1)]
    terms: Annotated[str, Field(min_length=1)]
    images: Annotated[int, Field(ge=0)] | None = None
    source: str = ""


class StartingWeights(_Part):
    """Weights that a training started from. terms: their licence or terms of use. source: a package, file or address."""

    name: Annotated[str, Field(min_length=1)]
    terms: Annotated[str, Field(min_length=1)]
    source: str = ""


class Measurement(_Part):
    """Measured values, and how they were measured: split, queries, database, seeds."""

    protocol: Annotated[str, Field(min_length=1)]
    values: dict[str, Any]


class EncoderFacts(_Part):
    """Arguments of `backbones.registry.build_encoder` beside bands and dimension."""

    name: Annotated[str, BeforeValidator(current_encoder)]
    width: Annotated[int, Field(ge=1)] = 64
    latent: Latent = "8x8x512"
    pooling: Pooling = "mean"


class Stored(_Part):
    """How the bytes of `pair` are decoded: value = low + scale * byte; one number per channel, or one for all channels."""

    low: Annotated[tuple[float, ...], Field(min_length=1)]
    scale: Annotated[tuple[float, ...], Field(min_length=1)]


class TrainedMatcher(MatcherCard):
    """A matcher whose network can be built again. hidden: K, the channels of query and candidate features. head:
    channels of its last layers."""

    block: MatcherBlock
    hidden: int
    head: int
    stored: Stored

    @model_validator(mode="after")
    def _check_hidden(self) -> Self:
        if self.half_shape[0] != self.hidden:
            raise ValueError(f"half_shape {self.half_shape} must have the {self.hidden} channels of `hidden`")
        if not len(self.stored.low) == len(self.stored.scale) in (1, self.hidden):
            raise ValueError(f"stored: {len(self.stored.low)} lows, {len(self.stored.scale)} scales for {self.hidden} channels")
        return self


class Int8Report(_Part):
    """Scores in points (0..100) of the float32 and the int8 encoder. loss: their difference. allowed: the largest loss."""

    calibration_tiles: int
    score_float32: float
    score_int8: float
    loss: float
    allowed: float


class Facts(Identity):
    """What training states about a model, before the bundle is written.

    recipe, matcher_recipe: of the runs, as plain values (a `Recipe` is converted). splits: how the images were divided.
    metrics: measurements by name. ranking: for searches without a matcher. starting_weights: empty if training started from
    random weights.
    """

    model_config = ConfigDict(extra="forbid", ser_json_inf_nan="constants")  # so that NaN is refused instead of written as null

    normalisation: Normalisation
    encoder: EncoderFacts
    recipe: dict[str, Any]
    matcher_recipe: dict[str, Any] | None = None
    seed: Annotated[int, Field(ge=0)]
    training_sets: tuple[TrainingSet, ...]
    starting_weights: tuple[StartingWeights, ...] = ()
    splits: dict[str, Any] = Field(default_factory=dict)
    metrics: dict[str, Measurement] = Field(default_factory=dict)
    ranking: EmbeddingRanking | None = None

    @field_validator("recipe", "matcher_recipe", mode="before")
    @classmethod
    def _plain(cls, value: Any) -> Any:
        return value.model_dump(mode="json") if isinstance(value, BaseModel) else value

    @model_validator(mode="after")
    def _check_bands(self) -> Self:
        if len(self.normalisation.mean) != len(self.bands):
            raise ValueError(f"normalisation: {len(self.normalisation.mean)} means for {len(self.bands)} bands")
        return self


class TrainedCard(Facts, ModelCard):
    """The card that Dyad's training writes: a model card that also records the training.

    training_data: the training sets and their terms in one line. weights: precision of `weights.safetensors`; the graphs are
    exported from these weights. base, head: for a bundle that is another one with a new head, the id of that bundle and how the
    head was trained.
    """

    model_config = ConfigDict(extra="allow")

    code_version: str
    precision: Literal["float32", "int8"]
    int8: Int8Report | None = None
    weights: Literal["float32", "float16"]
    matcher: TrainedMatcher | None = None
    files: dict[str, Digest]
    base: str | None = None
    head: dict[str, Any] | None = None
    encoder_digest: Digest | None = None
    pair_digest: Digest | None = None

    @model_validator(mode="after")
    def _check_int8(self) -> Self:
        if (self.precision == "int8") != (self.int8 is not None):
            raise ValueError("int8: must report the accuracy loss exactly if precision is 'int8'")
        return self


class TrainingRecord(BaseModel):
    """What any card may record of its training; empty for a bundle that was not trained here."""

    training_sets: tuple[TrainingSet, ...] = ()
    starting_weights: tuple[StartingWeights, ...] = ()
    splits: dict[str, Any] = Field(default_factory=dict)
    precision: str = "float32"


def training_record(card: ModelCard) -> TrainingRecord:
    """The training that a card records.

    Raises:
        BundleError: a recorded field is malformed.
    """
    try:
        return TrainingRecord.model_validate(card.model_dump(exclude_unset=True))
    except ValidationError as error:
        raise BundleError(f"{card.id}: {CARD_FILE}: {first_problem(error)}") from None


def trained_card_problem(card: ModelCard) -> str | None:
    """Why the networks of a bundle cannot be trained further, in a few words; None if they can."""
    if WEIGHTS_FILE not in card.files:
        return f"it has no PyTorch weights ({WEIGHTS_FILE})"
    try:
        TrainedCard.model_validate(card.model_dump(exclude_unset=True))
    except ValidationError as error:
        return f"its card does not describe the network of its weights ({first_problem(error)})"
    return None


def describe_data(sets: tuple[TrainingSet, ...]) -> str:
    """Training sets and their terms in one line."""
    return "; ".join(f"{each.name}{'' if each.images is None else f' ({each.images} images)'}: {each.terms}" for each in sets)
