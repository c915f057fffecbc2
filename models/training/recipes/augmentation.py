"""Settings of the augmentation of training images. Free of torch."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Probability = Annotated[float, Field(ge=0, le=1)]
Strength = Annotated[float, Field(ge=0, lt=1)]


class Augmentation(BaseModel):
    """Random changes of a training image; the default changes nothing.

    Geometry: horizontal_flip, vertical_flip: probabilities. quarter_turns: rotate by 0, 90, 180 or 270 degrees, each as
    likely. rotation: by a random angle of at most this many degrees. crop_scale: (least, most) share of the area that a
    random resized crop keeps; (1, 1) keeps all of it. crop_ratio: the crop's width / height lies in [1 / r, r].

    Radiometry: brightness, contrast, saturation: multiplied by a factor in [1 - v, 1 + v]. hue: rotated by at most this
    share of the colour circle. greyscale: probability of replacing all bands by their mean. band_dropout: probability, per
    band, of replacing it by the mean of the others. blur: probability of a Gaussian blur, of sigma up to blur_sigma pixels.
    noise: standard deviation of Gaussian noise in units of the full range, drawn from [0, noise]. jpeg: probability of noise on
    the 8 x 8 blocks like that of a compressed image.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    horizontal_flip: Probability = 0.0
    vertical_flip: Probability = 0.0
    quarter_turns: bool = False
    rotation: Annotated[float, Field(ge=0, le=180)] = 0.0
    crop_scale: tuple[Annotated[float, Field(gt=0, le=1)], Annotated[float, Field(gt=0, le=1)]] = (1.0, 1.0)
    crop_ratio: Annotated[float, Field(ge=1, le=4)] = 1.0
    brightness: Strength = 0.0
    contrast: Strength = 0.0
    saturation: Strength = 0.0
    hue: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    greyscale: Probability = 0.0
    band_dropout: Probability = 0.0
    blur: Probability = 0.0
    blur_sigma: Annotated[float, Field(gt=0, le=10)] = 1.5
    noise: Strength = 0.0
    jpeg: Probability = 0.0

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        least, most = self.crop_scale
        if least > most:
            raise ValueError(f"crop_scale: the minimum, {least}, is above the maximum, {most}")
        return self


NONE = Augmentation()
"""No augmentation."""

PAPER = Augmentation(horizontal_flip=0.5, brightness=0.4, contrast=0.4, saturation=0.4, hue=0.4, greyscale=0.2)
"""HR-S2DML, section 4.3: greyscale, colour jitter, horizontal flip; their strengths are those of the authors' code."""

GEOMETRIC = Augmentation(horizontal_flip=0.5, vertical_flip=0.5, quarter_turns=True)
"""The eight symmetries of a square: imagery from above has no preferred direction."""

ROBUST = Augmentation(
    horizontal_flip=0.5,
    vertical_flip=0.5,
    quarter_turns=True,
    rotation=45.0,
    crop_scale=(0.35, 1.0),
    crop_ratio=1.33,
    brightness=0.3,
    contrast=0.3,
    saturation=0.3,
    hue=0.05,
    greyscale=0.1,
    band_dropout=0.05,
    blur=0.15,
    noise=0.02,
    jpeg=0.15,
)
"""For imagery of other sensors, scales and rotations than the training images."""
