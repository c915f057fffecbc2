"""A recipe: all settings of a training run except its data, as one frozen value. Free of torch."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from models.bundle.trained_card import Latent, MatcherBlock
from models.losses.configs import LossConfig, LossInputs
from models.training.recipes.augmentation import NONE, Augmentation

NAMED_BACKBONES = (
    "resnet18",
    "resnet50",
    "vgg16",
    "googlenet",
    "attention-resnet18",
    "efficientnet-lite0",
    "efficientnet-lite1",
    "efficientnet-lite2",
    "resdyad-ae",
    "res-ae",
)


def _check_backbone(name: str) -> str:
    if name not in NAMED_BACKBONES and not re.fullmatch(r"timm:[a-z0-9_.]+", name):
        raise ValueError(f"unknown backbone {name!r}; choose one of {', '.join(NAMED_BACKBONES)}, or timm:ARCHITECTURE")
    return name


Backbone = Annotated[str, AfterValidator(_check_backbone)]
"""One of `NAMED_BACKBONES`, or `timm:` and the name of any architecture of timm."""
Task = Literal["embedding", "autoencoder", "matcher", "siamese"]
_INPUTS: dict[Task, frozenset[LossInputs]] = {
    "embedding": frozenset({"labelled", "joint", "indexed"}),
    "autoencoder": frozenset({"images"}),
    "matcher": frozenset({"pairs"}),
    "siamese": frozenset({"pairs"}),
}


class RecipeError(ValueError):
    """An unknown, unreadable or contradictory recipe; the message is one line for people."""


class PairSampling(BaseModel):
    """Training pairs of a matcher. positives: share of matching pairs. hard: share of pairs that are hard instead of random.
    pool: hard pairs are drawn from this many nearest images of other classes, or farthest of the same class, by embedding.
    instances: share of the matching pairs that are two views of one image; the other matching pairs are two images of a class.
    hidden: share of the classes that are hidden in each batch: their images match only other views of themselves, so that the
    network learns to compare tiles instead of recognising classes. near: hard matching pairs are drawn from the nearest images
    of the class instead of the farthest, as in the shortlists of a search."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    positives: Annotated[float, Field(gt=0, lt=1)] = 0.5
    hard: Annotated[float, Field(ge=0, le=1)] = 0.5
    pool: Annotated[int, Field(ge=1)] = 50
    instances: Annotated[float, Field(ge=0, le=1)] = 0.0
    hidden: Annotated[float, Field(ge=0, lt=1)] = 0.0
    near: bool = False


class Recipe(BaseModel):
    """One training run.

    width: channels of the first stage (64 is the published network; fewer scale every stage down). bands: of the input.
    dim: of the embedding. block: of a matcher: dyad, plain residual or correlation. code: (height, width, channels) of an
    autoencoder's features for an input of 256 pixels per side.
    decay, decay_every: "step" multiplies lr by decay every so many epochs; "cosine" falls to zero over `epochs`.
    warmup_epochs: first epochs, in which lr rises linearly. steps_per_epoch: updates per epoch (0: one pass over the images,
    or over the unlabelled ones if there are any).
    batch_size: labelled images (pairs, for a matcher) per step; unlabelled_batch_size: unlabelled images per step, in addition
    (0: none). samples_per_class: 0 shuffles; otherwise a batch has so many images of each of its classes, which losses over
    pairs need. accumulate: steps per update.
    image_size: pixels per side. clip_norm: of the gradient (0: not clipped). patience: epochs without improvement before
    stopping (None: never). freeze: the backbone is not trained.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    task: Task = "embedding"
    backbone: Backbone = "resnet18"
    width: Annotated[int, Field(ge=8, le=512)] = 64
    bands: Annotated[int, Field(ge=1, le=1024)] = 3
    dim: Annotated[int, Field(ge=2, le=4096)] = 128
    block: MatcherBlock = "dyad"
    code: Latent = "8x8x512"
    freeze: bool = False
    loss: LossConfig
    pairs: PairSampling = PairSampling()
    augment: Augmentation = NONE
    image_size: Annotated[int, Field(ge=16, le=2048)] = 256
    optimiser: Literal["sgd", "adamw"] = "sgd"
    lr: Annotated[float, Field(gt=0, le=100)] = 1e-3
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    nesterov: bool = True
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 1e-4
    schedule: Literal["step", "cosine"] = "step"
    decay: Annotated[float, Field(gt=0, le=1)] = 0.5
    decay_every: Annotated[int, Field(ge=1)] = 30
    warmup_epochs: Annotated[int, Field(ge=0)] = 0
    epochs: Annotated[int, Field(ge=1)] = 100
    steps_per_epoch: Annotated[int, Field(ge=0)] = 0
    batch_size: Annotated[int, Field(ge=2)] = 256
    unlabelled_batch_size: Annotated[int, Field(ge=0)] = 0
    samples_per_class: Annotated[int, Field(ge=0)] = 0
    accumulate: Annotated[int, Field(ge=1)] = 1
    clip_norm: Annotated[float, Field(ge=0)] = 0.0
    patience: Annotated[int, Field(ge=1)] | None = None
    precision: Literal["fp32", "bf16"] = "fp32"
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.loss.inputs not in _INPUTS[self.task]:
            raise ValueError(f"the loss {self.loss.name!r} does not fit the task {self.task!r}; choose another loss")
        if (self.loss.inputs == "joint") != (self.unlabelled_batch_size > 0):
            need = "needs unlabelled_batch_size above 0" if self.loss.inputs == "joint" else "needs unlabelled_batch_size 0"
            raise ValueError(f"the loss {self.loss.name!r} {need}")
        if self.samples_per_class and self.batch_size % self.samples_per_class:
            raise ValueError(f"batch_size {self.batch_size} is not a multiple of samples_per_class {self.samples_per_class}")
        if self.warmup_epochs >= self.epochs:
            raise ValueError(f"warmup_epochs {self.warmup_epochs} must be below epochs {self.epochs}")
        return self
