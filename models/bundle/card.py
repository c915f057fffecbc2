"""`card.json`: the input that a model expects, its outputs and its origin. Service and training read it by these classes.

A bundle needs `id`, `input_size`, `bands`, `dimension` and `files`; all other fields are optional, and unknown fields are kept.
`models.bundle.trained_card` adds the fields that Dyad's training records.
"""

from __future__ import annotations

import hashlib
import math
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from models.bundle.files import ENCODER_FILE, HEAD_FILE, QUERY_FEATURES_FILE, TAIL_FILE, WEIGHTS_FILE

FORMAT = 1
MODEL_ID = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
"""Also the name of a bundle's folder, so it must not begin with a dot."""
MAX_BANDS = 1024
MAX_DEPTH = 1000
"""Candidates that are re-ranked, at most."""

_NOT_ENCODER = frozenset({ENCODER_FILE, HEAD_FILE, QUERY_FEATURES_FILE, TAIL_FILE, WEIGHTS_FILE})
LARGE = 1e6
"""Largest learned number in a card, so that results computed with it stay finite."""

Learned = Annotated[float, Field(ge=-LARGE, le=LARGE, allow_inf_nan=False)]
Weight = Annotated[float, Field(ge=0, le=LARGE, allow_inf_nan=False)]
Depth = Annotated[int, Field(ge=1, le=MAX_DEPTH)]
Size = Annotated[int, Field(ge=1, le=65_536)]
Shape = tuple[Size, Size, Size]


class Normalisation(BaseModel):
    """Applied to a tile's 0..255 values after division by 255: `(x - mean) / std`, one number per band."""

    model_config = ConfigDict(frozen=True)

    mean: tuple[float, ...]
    std: tuple[float, ...]

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(self.mean) != len(self.std):
            raise ValueError(f"{len(self.mean)} means, but {len(self.std)} stds")
        if not all(map(math.isfinite, self.mean)):
            raise ValueError("a mean is not a finite number")
        if not all(math.isfinite(std) and std > 0 for std in self.std):
            raise ValueError("a std is not a finite number above 0")
        return self


class Fusion(BaseModel):
    """Ranking score of a re-ranked candidate, for the first `depth` places. `models.bundle.ranking` computes it.

    weight, neighbours: cosine similarity that one unit of log-odds, and a full overlap of neighbourhoods, are worth; with 0 the
    term is not used.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    formula: Literal["cosine + weight * log_odds + neighbours * overlap", "cosine + weight * log_odds"] = (
        "cosine + weight * log_odds + neighbours * overlap"
    )
    weight: Weight
    neighbours: Weight = 0.0
    depth: Depth = 100


class Calibration(BaseModel):
    """The probability that a pair matches, as a function of the ranking score.

    The formula of earlier cards, which is the default, adds log-odds and cosine itself; it is reduced to the current one.
    slope: of the cosine in the earlier formula.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    formula: Literal["sigmoid(scale * score + offset)", "sigmoid(scale * log_odds + slope * cosine + offset)"] = (
        "sigmoid(scale * log_odds + slope * cosine + offset)"
    )
    scale: Annotated[float, Field(gt=0, le=LARGE, allow_inf_nan=False)] = 1.0
    offset: Learned = 0.0
    slope: Learned = 0.0

    @property
    def is_of_score(self) -> bool:
        """Whether it is a function of the ranking score, not of log-odds and cosine."""
        return self.formula == "sigmoid(scale * score + offset)"

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.is_of_score and self.slope != 0:
            raise ValueError(f"`slope` is not part of the formula {self.formula!r}")
        return self


class EmbeddingRanking(BaseModel):
    """Second stage and probabilities without a matcher: `cosine + neighbours * overlap` for the first `depth` places.

    calibration: of this score. cosine_calibration: of the cosine alone, for searches without re-ranking. Both have the formula
    `sigmoid(scale * score + offset)`; None if there are no probabilities.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    neighbours: Weight = 0.0
    depth: Depth = 100
    calibration: Calibration | None = None
    cosine_calibration: Calibration | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        for each in (self.calibration, self.cosine_calibration):
            if each is not None and not each.is_of_score:
                raise ValueError("a calibration needs the formula 'sigmoid(scale * score + offset)'")
        return self


class MatcherCard(BaseModel):
    """The pairwise network that re-ranks candidates.

    map_shape: (C, h, w) of the encoder's map. half_shape: (K, h, w) of the query features and of the candidate features, which
        are the two sides of the matcher's first layer; the stored `pair` is the candidate features, flattened row-major.
    fusion, calibration: learned on validation pairs; None if they were not learned.
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
        if self.calibration is not None and self.calibration.is_of_score and self.fusion is None:
            raise ValueError("a calibration of the score needs `fusion`, which defines the score")
        return self

    @property
    def pair_dimension(self) -> int:
        """P: the length of flattened query features, and of flattened candidate features."""
        return math.prod(self.half_shape)


class Identity(BaseModel):
    """Fields that every card has, and that training states before a card exists.

    id: also the name of the bundle's folder. input_size: height and width in pixels of the square input. bands: names in order,
    for example red, green, blue. research_only: whether the licence forbids other use than research; None if the card does not
    state it, see `models.bundle.terms`. supersedes: ids of older bundled models whose collections should be re-indexed with
    this one.
    """

    model_config = ConfigDict(frozen=True, protected_namespaces=())

    id: str = Field(pattern=MODEL_ID)
    version: str = "1"
    title: str = ""
    description: str = ""
    licence: str = ""
    research_only: bool | None = None
    supersedes: tuple[str, ...] = ()
    input_size: int = Field(ge=16, le=1024)
    bands: tuple[str, ...] = Field(min_length=1, max_length=MAX_BANDS)


class ModelCard(Identity):
    """`card.json` of a bundle, or the card of a built-in model. Unknown fields are kept for later versions.

    kind: `vectors` stands for embeddings that were made elsewhere; it has no graphs.
    dimension: D of the embedding; feature_dimension, pair_dimension: 0 if the model has no such output.
    normalisation: None if the graph takes the values after division by 255.
    matcher: the pairwise network, None if there is none. ranking: for searches without a matcher.
    encoder_digest, pair_digest: equal for models that compute the same feature, or the same candidate features, of a tile (a
        model and the heads trained on it); `encoder_identity` stands in for a missing one.
    files: sha256 hex digest of every file of the bundle except the card, by file name.
    """

    model_config = ConfigDict(extra="allow")

    format: int = FORMAT
    kind: Literal["onnx", "hand-crafted", "vectors"] = "onnx"
    dimension: int = Field(ge=2, le=65_536)
    feature_dimension: int = Field(default=0, ge=0)
    pair_dimension: int = Field(default=0, ge=0)
    normalisation: Normalisation | None = None
    matcher: MatcherCard | None = None
    ranking: EmbeddingRanking | None = None
    encoder_digest: str | None = None
    pair_digest: str | None = None
    training_data: str = ""
    metrics: dict[str, Any] = Field(default_factory=dict)
    files: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _check_format(cls, fields: Any) -> Any:
        """The format comes first: fields of another one may fail for reasons that do not help."""
        found = fields.get("format", FORMAT) if isinstance(fields, dict) else FORMAT
        if isinstance(found, int) and found != FORMAT:
            raise ValueError(f"format {found} is not the format {FORMAT} that this version reads; update Dyad")
        return fields

    @property
    def scaling(self) -> Normalisation:
        """The normalisation; mean 0 and std 1 of every band for a card without one."""
        count = len(self.bands)
        return self.normalisation or Normalisation(mean=(0.0,) * count, std=(1.0,) * count)

    def has_encoder_of(self, other: ModelCard) -> bool:
        """Whether both have the same encoder files and the same input, so that all their outputs for a tile are equal."""
        return (
            self.encoder_identity is not None and self.encoder_identity == other.encoder_identity and self._has_input_of(other)
        )

    def has_features_of(self, other: ModelCard) -> bool:
        """Whether both compute the same feature of a tile."""
        ours, theirs = self.encoder_digest or self.encoder_identity, other.encoder_digest or other.encoder_identity
        is_equal = ours is not None and ours == theirs and self._has_input_of(other)
        return 0 < self.feature_dimension == other.feature_dimension and is_equal

    def has_pairs_of(self, other: ModelCard) -> bool:
        """Whether both compute the same candidate features of a tile."""
        ours, theirs = self.pair_digest or self.encoder_identity, other.pair_digest or other.encoder_identity
        is_equal = ours is not None and ours == theirs and self._has_input_of(other)
        return 0 < self.pair_dimension == other.pair_dimension and is_equal

    @property
    def encoder_identity(self) -> str | None:
        """Sha256 that is equal for equal encoders: of `encoder.onnx`, and of the files that may hold its external data."""
        encoder = self.files.get(ENCODER_FILE)
        data = [f"{name}:{digest.lower()}" for name, digest in sorted(self.files.items()) if name not in _NOT_ENCODER]
        if encoder is None or not data:
            return encoder
        return hashlib.sha256("\n".join([encoder.lower(), *data]).encode()).hexdigest()

    def _has_input_of(self, other: ModelCard) -> bool:
        """Whether both encoders get the same values for a tile."""
        ours, theirs = (self.input_size, self.bands, self.scaling), (other.input_size, other.bands, other.scaling)
        return ours == theirs


def first_problem(error: ValidationError) -> str:
    """The first problem of a card in one line: `field: what is wrong`."""
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"]))
    return f"{f'{where}: ' if where else ''}{first['msg'].removeprefix('Value error, ')}"
