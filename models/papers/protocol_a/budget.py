"""Training budgets of protocol A: one for two CPU cores, and that of the residual-dyad paper."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from models.training.recipes.augmentation import GEOMETRIC
from models.training.recipes.load import make_recipe
from models.training.recipes.recipe import PairSampling, Recipe

Autoencoder = Literal["res-ae", "resdyad-ae"]
Matcher = Literal["res-dml", "resdyad-dml"]
Stage = Literal["landuse", "aid", "finetuned"]
"""Training images of an autoencoder: UC Merced's training split; AID without its labels, instead of the paper's GTCrossView;
AID first, then UC Merced's training split."""
Supervised = Literal["vgg16", "googlenet", "resnet"]

AUTOENCODERS: tuple[Autoencoder, ...] = ("res-ae", "resdyad-ae")
MATCHERS: tuple[Matcher, ...] = ("res-dml", "resdyad-dml")
STAGES: tuple[Stage, ...] = ("landuse", "aid", "finetuned")
SUPERVISED: tuple[Supervised, ...] = ("googlenet", "vgg16", "resnet")

DEPTH, WEIGHT = 100, 0.08
"""Two-stage: the first 100 places by the embedding, re-ranked by cosine + WEIGHT log-odds; fixed
beforehand, because there are no images left to choose it on."""
DESCRIPTOR_SIZE = 256
"""Image size of hand-crafted descriptors, in pixels per side."""
WORDS, DIMENSIONS = 64, 64
"""Visual words (VLAD) and Gaussians (Fisher vectors); dimensions that a PCA leaves of SIFT's 128 for the latter."""

_CROPPED = GEOMETRIC.model_copy(update={"crop_scale": (0.5, 1.0)})


@dataclass(frozen=True, slots=True)
class Budget:
    """supervised, autoencoder, matcher, siamese: recipes. epochs: of an autoencoder, by what it is trained on; of "finetuned"
    those after "aid". views: augmented copies of each training image that a matcher learns from beside the image itself.
    map_size: of the square maps that hand-crafted vectors are reshaped to. seed: of the split."""

    supervised: Mapping[Supervised, Recipe]
    autoencoder: Mapping[Autoencoder, Recipe]
    epochs: Mapping[Stage, int]
    matcher: Mapping[Matcher, Recipe]
    siamese: Recipe
    views: int
    map_size: int
    seed: int = 0

    def autoencoder_recipe(self, backbone: Autoencoder, stage: Stage) -> Recipe:
        """The recipe of one stage."""
        return self.autoencoder[backbone].model_copy(update={"epochs": self.epochs[stage]})


def budget_of(scale: str) -> Budget:
    """The budget of "small" or "paper"."""
    return SMALL if scale == "small" else PAPER


def _supervised(**fields: Any) -> Recipe:
    """A classification-like loss on the embedding, from scratch."""
    common = {"extends": "nsl", "lr": 0.03, "schedule": "cosine", "warmup_epochs": 1, "batch_size": 32, "weight_decay": 5e-4}
    return make_recipe({**common, "augment": _CROPPED, **fields})


def _small(extends: str, **fields: Any) -> Recipe:
    """A recipe of the paper at 96 pixels and half its width, with an optimiser that needs fewer updates."""
    common = {"extends": extends, "image_size": 96, "width": 32, "optimiser": "adamw", "lr": 1e-3, "schedule": "cosine"}
    return make_recipe({**common, "warmup_epochs": 1, "augment": GEOMETRIC, "weight_decay": 1e-2, **fields})


_RANDOM_PAIRS = PairSampling(hard=0.0).model_dump()

SMALL = Budget(
    supervised={
        "googlenet": _supervised(backbone="googlenet", image_size=64, epochs=20),
        # no batch norm: SGD at this rate diverges
        "vgg16": _supervised(backbone="vgg16", width=32, image_size=64, epochs=12, optimiser="adamw", lr=5e-4, clip_norm=5.0),
        "resnet": _supervised(backbone="resnet18", width=32, image_size=96, epochs=30),
    },
    autoencoder={name: _small(name, batch_size=32) for name in AUTOENCODERS},
    epochs={"landuse": 10, "aid": 2, "finetuned": 4},
    matcher={name: _small(name, batch_size=128, steps_per_epoch=50, epochs=16) for name in MATCHERS},
    siamese=_small("siamese", batch_size=32, epochs=8, lr=3e-4, pairs=_RANDOM_PAIRS),
    views=4,
    map_size=4,
)
PAPER = Budget(
    supervised={
        "googlenet": _supervised(backbone="googlenet", epochs=100),
        "vgg16": _supervised(backbone="vgg16", epochs=100, optimiser="adamw", lr=5e-4, clip_norm=5.0),
        "resnet": _supervised(backbone="resnet50", epochs=100),
    },
    autoencoder={name: make_recipe({"extends": name}) for name in AUTOENCODERS},
    epochs={"landuse": 200, "aid": 200, "finetuned": 200},
    matcher={name: make_recipe({"extends": name}) for name in MATCHERS},
    siamese=make_recipe({"extends": "siamese", "pairs": _RANDOM_PAIRS}),
    views=0,
    map_size=8,
)
