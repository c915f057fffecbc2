"""All settings of the default bundle's training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from models.export.quantise import MAX_LOSS
from models.runs.default.stages import SAME_CLASS, STAGES, stage_recipes
from models.training.recipes.named_recipes import RECIPES
from models.training.recipes.recipe import Recipe

HELD_OUT = ("Airport", "Beach", "Farmland", "Park", "RailwayStation", "Viaduct", "mobilehomepark", "tenniscourt")
TWIN_STAGES = ((64, 9, 0.05), (96, 4, 0.04), (128, 2, 0.02))


@dataclass(frozen=True, slots=True)
class Plan:
    """model_id: of the bundle. train_fraction, validation_fraction: of each data set; the rest are test images.

    recipes: of the encoder's stages. twin_recipes: of a second, cheaper encoder that is trained without the classes `held_out`,
    on which the fusion weight is chosen. matcher: of both matchers. views: augmented views of each training image of a matcher.
    same_class: new names of classes; classes with the same name are merged. int8_loss: points of mAP that int8 may lose.
    """

    model_id: str = "dyad-rgb-128"
    train_fraction: float = 0.8
    validation_fraction: float = 0.04
    recipes: tuple[Recipe, ...] = field(default_factory=lambda: tuple(stage_recipes(stages=STAGES)))
    twin_recipes: tuple[Recipe, ...] = field(default_factory=lambda: tuple(stage_recipes(stages=TWIN_STAGES)))
    matcher: Recipe = field(default_factory=lambda: RECIPES["default-matcher"])
    held_out: tuple[str, ...] = HELD_OUT
    views: int = 2
    int8_loss: float = MAX_LOSS
    same_class: Mapping[str, str] = field(default_factory=lambda: SAME_CLASS)

    @property
    def input_size(self) -> int:
        """Input size of the bundle in pixels per side: that of the last stage."""
        return self.recipes[-1].image_size
