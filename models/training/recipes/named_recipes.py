"""The named recipes. Free of torch.

HR-S2DML and the losses that it is compared with use its section 4.3: ResNet-18, 256 pixels, D 128, SGD at 1e-3 halved every 30
epochs, batch 256, 100 epochs. Momentum 0.9 (Nesterov) and weight decay 1e-4, which the paper does not give, are those of the
authors' code. Residual-dyad's section IV: SGD at 1e-3 with a decay of 0.2, stopped after 10 epochs without improvement; the
paper does not give its batch size and the period of the decay.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from models.losses import configs as loss
from models.training.recipes.augmentation import GEOMETRIC, PAPER, ROBUST
from models.training.recipes.recipe import PairSampling, Recipe


def _hr(name: str, config: loss.LossConfig, unlabelled: int = 0, samples_per_class: int = 0) -> Recipe:
    """Section 4.3 of HR-S2DML with a loss; for losses over pairs, batches have several images of each of their classes."""
    return Recipe(
        name=name,
        loss=config,
        augment=PAPER,
        unlabelled_batch_size=unlabelled,
        samples_per_class=samples_per_class,
    )


def _dyad(name: str, **fields: object) -> Recipe:
    """Section IV of residual-dyad; the epochs are a maximum for early stopping."""
    common = {"name": name, "lr": 1e-3, "decay": 0.2, "epochs": 200, "batch_size": 64, "patience": 10, "weight_decay": 0.0}
    return Recipe.model_validate({**common, **fields})


_ALL = (
    _hr("hr-s2dml", loss.HrS2dmlConfig(), unlabelled=256),
    _hr("nsl", loss.NslConfig()),
    _hr("nsl-margin", loss.NslMarginConfig()),
    _hr("triplet", loss.TripletConfig(), samples_per_class=16),
    _hr("d-cnn", loss.DCnnConfig(), samples_per_class=16),
    _hr("contrastive", loss.ContrastiveConfig(), samples_per_class=16),
    _hr("robust-nsl", loss.RobustNslConfig()),
    _hr("sphereface", loss.SphereFaceConfig()),
    _hr("similarity-retention", loss.SimilarityRetentionConfig(), samples_per_class=16),
    _hr("snca", loss.SncaConfig()),
    _hr("proxy-nca", loss.ProxyNcaConfig()),
    _hr("proxy-anchor", loss.ProxyAnchorConfig()),
    _hr("hard-mining", loss.HardMiningConfig(), samples_per_class=16),
    _dyad("resdyad-ae", task="autoencoder", backbone="resdyad-ae", loss=loss.MseConfig()),
    _dyad("res-ae", task="autoencoder", backbone="res-ae", block="residual", loss=loss.MseConfig()),
    _dyad("resdyad-dml", task="matcher", backbone="resdyad-ae", freeze=True, loss=loss.PairCrossEntropyConfig()),
    _dyad("res-dml", task="matcher", backbone="resdyad-ae", block="residual", freeze=True, loss=loss.PairCrossEntropyConfig()),
    _dyad("siamese", task="siamese", backbone="resdyad-ae", pairs=PairSampling(hard=0), loss=loss.PairCrossEntropyConfig()),
    Recipe(
        name="default",
        width=48,
        loss=loss.NslMarginConfig(margin=0.2),
        augment=ROBUST,
        image_size=128,
        lr=0.05,
        schedule="cosine",
        warmup_epochs=1,
        epochs=60,
        batch_size=64,
        weight_decay=5e-4,
        precision="bf16",
    ),
    Recipe(
        name="default-matcher",
        task="matcher",
        width=48,
        freeze=True,
        loss=loss.PairCrossEntropyConfig(smoothing=0.05),
        pairs=PairSampling(hard=0.5, pool=50),
        augment=GEOMETRIC,
        image_size=128,
        optimiser="adamw",
        lr=1e-3,
        schedule="cosine",
        epochs=30,
        batch_size=128,
        weight_decay=1e-2,
    ),
    Recipe(
        name="correlation-matcher",
        task="matcher",
        block="correlation",
        freeze=True,
        loss=loss.PairCrossEntropyConfig(smoothing=0.02),
        pairs=PairSampling(hard=0.5, pool=50, instances=0.3, hidden=0.3, near=True),
        augment=ROBUST,
        image_size=224,
        optimiser="adamw",
        lr=2e-3,
        schedule="cosine",
        epochs=20,
        batch_size=256,
        weight_decay=1e-2,
        clip_norm=1.0,
    ),
)

RECIPES: Mapping[str, Recipe] = MappingProxyType({recipe.name: recipe for recipe in _ALL})
"""Every named recipe, by name."""
OLD_NAMES: Mapping[str, str] = MappingProxyType({"sphere": "sphereface"})
"""Earlier names of recipes, which are still accepted, and the current ones."""
