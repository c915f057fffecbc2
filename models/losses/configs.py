"""Configurations of the losses, with the papers' values as defaults. Free of torch.

To add a loss, write its module in a file of its own, and here its configuration and its entry in `LossConfig`.

`name` selects the loss; the other fields are its parameters, and unknown fields are errors. `implementation` names the class
of the loss as `module:Class`; `build_loss` imports it when it is needed. `sizes` lists the sizes of the training set that the
class takes beside its parameters: `num_classes`, `dim`, `num_images`. `inputs` tells what the loss is called with (N images,
D dimensions):

========== =============================================================================================================
labelled   `loss(embeddings (N, D), labels (N,))`
joint      `loss(embeddings (N, D), labels (N,), unlabelled (M, D))`, unlabelled: before their L2 normalisation
indexed    `loss(embeddings (N, D), labels (N,), indices (N,))`, indices: positions of the images in the training set
pairs      `loss(logits (N, 2), matches (N,))`
images     `loss(reconstructions (N, B, H, W), images (N, B, H, W))`
========== =============================================================================================================
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

LossInputs = Literal["labelled", "joint", "indexed", "pairs", "images"]
LossSize = Literal["num_classes", "dim", "num_images"]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Angle = Annotated[float, Field(ge=0, lt=1.5708)]
"""An angular margin in radians, below a right angle."""


class _Config(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    implementation: ClassVar[str]
    sizes: ClassVar[tuple[LossSize, ...]] = ()
    inputs: ClassVar[LossInputs] = "labelled"


class NslConfig(_Config):
    """Normalised softmax loss: equation 3 without its margin."""

    implementation: ClassVar[str] = "models.losses.classification.nsl:NormalizedSoftmax"
    sizes: ClassVar[tuple[LossSize, ...]] = ("num_classes", "dim")
    name: Literal["nsl"] = "nsl"
    tau: Positive = 0.05


class NslMarginConfig(_Config):
    """Normalised softmax loss with margin: equation 3; margin in radians."""

    implementation: ClassVar[str] = "models.losses.classification.nsl_margin:NormalizedSoftmaxMargin"
    sizes: ClassVar[tuple[LossSize, ...]] = ("num_classes", "dim")
    name: Literal["nsl-margin"] = "nsl-margin"
    tau: Positive = 0.05
    margin: Angle = 0.5


class HrS2dmlConfig(_Config):
    """Equation 7: normalised softmax with margin plus `weight` (lambda) times high-rankness of the unlabelled batch.

    rank_features: "projected" is equation 6, whose F(X) is not normalised; "unit" normalises it, as the embedding of labelled
    images. rank_tau: temperature of the predictions whose rank is raised; equation 6 has none, which is 1.
    rank_scale: "sum" is equation 5; "batch" divides the nuclear norm by the number of rows, "mean" by the number of singular
    values (as in the authors' published code).
    """

    implementation: ClassVar[str] = "models.losses.classification.hr_s2dml:HrS2dml"
    sizes: ClassVar[tuple[LossSize, ...]] = ("num_classes", "dim")
    inputs: ClassVar[LossInputs] = "joint"
    name: Literal["hr-s2dml"] = "hr-s2dml"
    tau: Positive = 0.05
    margin: Angle = 0.5
    weight: NonNegative = 1.0
    rank_tau: Positive = 1.0
    rank_scale: Literal["sum", "batch", "mean"] = "sum"
    rank_features: Literal["projected", "unit"] = "projected"


class TripletConfig(_Config):
    """Triplet loss on squared distances; mining: which triplets of a batch are averaged."""

    implementation: ClassVar[str] = "models.losses.pairs.triplet:TripletMargin"
    name: Literal["triplet"] = "triplet"
    margin: Positive = 0.2
    mining: Literal["all", "semihard", "hard", "batch-hard"] = "all"


class DCnnConfig(_Config):
    """D-CNN: softmax plus `weight` times a hinge on squared distances around `tau` with half-width `slack`."""

    implementation: ClassVar[str] = "models.losses.pairs.d_cnn:DCnn"
    sizes: ClassVar[tuple[LossSize, ...]] = ("num_classes", "dim")
    name: Literal["d-cnn"] = "d-cnn"
    tau: Positive = 0.44
    slack: NonNegative = 0.05
    weight: NonNegative = 0.05


class ContrastiveConfig(_Config):
    """Contrastive loss over all pairs of a batch."""

    implementation: ClassVar[str] = "models.losses.pairs.contrastive:Contrastive"
    name: Literal["contrastive"] = "contrastive"
    margin: Positive = 1.0


class RobustNslConfig(_Config):
    """Robust normalised softmax for noisy labels; q: between cross entropy (0) and absolute error (1);
    truncation: labels with a probability at or below it are considered wrong and give no gradient (0: off); warm_up: first
    batches with the normalised softmax, for a network trained from scratch."""

    implementation: ClassVar[str] = "models.losses.classification.robust_nsl:RobustNormalizedSoftmax"
    sizes: ClassVar[tuple[LossSize, ...]] = ("num_classes", "dim")
    name: Literal["robust-nsl"] = "robust-nsl"
    tau: Positive = 0.05
    q: Annotated[float, Field(gt=0, le=1)] = 0.7
    truncation: Annotated[float, Field(ge=0, lt=1)] = 0.0
    warm_up: Annotated[int, Field(ge=0)] = 0


class SphereFaceConfig(_Config):
    """A-softmax (SphereFace): the angle to the own class is multiplied by `margin`; scale: the norm given to unit embeddings.

    "sphere" is its earlier name; it is not the "Sphere loss" of Wang et al. (2021).
    """

    implementation: ClassVar[str] = "models.losses.classification.sphereface:SphereFace"
    sizes: ClassVar[tuple[LossSize, ...]] = ("num_classes", "dim")
    name: Literal["sphereface", "sphere"] = "sphereface"
    margin: Annotated[int, Field(ge=1, le=8)] = 4
    scale: Positive = 20.0


class SimilarityRetentionConfig(_Config):
    """Similarity retention; tau: minimum distance of negatives; margin: positives are kept within tau - margin."""

    implementation: ClassVar[str] = "models.losses.pairs.similarity_retention:SimilarityRetention"
    name: Literal["similarity-retention"] = "similarity-retention"
    tau: Positive = 1.05
    margin: Positive = 0.4


class SncaConfig(_Config):
    """Scalable neighbourhood components over a memory bank; momentum: of the bank's rows; margin as in the authors' code."""

    implementation: ClassVar[str] = "models.losses.pairs.snca:Snca"
    sizes: ClassVar[tuple[LossSize, ...]] = ("num_images", "dim")
    inputs: ClassVar[LossInputs] = "indexed"
    name: Literal["snca"] = "snca"
    tau: Positive = 0.1
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.5
    margin: NonNegative = 0.0


class ProxyNcaConfig(_Config):
    """Proxy-NCA: neighbourhood components with one proxy per class; scale multiplies squared distances."""

    implementation: ClassVar[str] = "models.losses.classification.proxy_nca:ProxyNca"
    sizes: ClassVar[tuple[LossSize, ...]] = ("num_classes", "dim")
    name: Literal["proxy-nca"] = "proxy-nca"
    scale: Positive = 8.0


class ProxyAnchorConfig(_Config):
    """Proxy-Anchor: each proxy pulls and pushes the whole batch."""

    implementation: ClassVar[str] = "models.losses.classification.proxy_anchor:ProxyAnchor"
    sizes: ClassVar[tuple[LossSize, ...]] = ("num_classes", "dim")
    name: Literal["proxy-anchor"] = "proxy-anchor"
    margin: Positive = 0.1
    alpha: Positive = 32.0


class HardMiningConfig(_Config):
    """Online hard mining: soft-margin triplets of each anchor's hardest pair; keep: share of anchors, hardest first."""

    implementation: ClassVar[str] = "models.losses.pairs.hard_mining:OnlineHardMining"
    name: Literal["hard-mining"] = "hard-mining"
    keep: Annotated[float, Field(gt=0, le=1)] = 0.5


class MseConfig(_Config):
    """Mean squared error of a reconstruction."""

    implementation: ClassVar[str] = "models.losses.reconstruction:Reconstruction"
    inputs: ClassVar[LossInputs] = "images"
    name: Literal["mse"] = "mse"


class PairCrossEntropyConfig(_Config):
    """Cross entropy of a matcher's two logits; smoothing: of the targets, which keeps the scores calibrated."""

    implementation: ClassVar[str] = "models.losses.pairs.pair_cross_entropy:PairCrossEntropy"
    inputs: ClassVar[LossInputs] = "pairs"
    name: Literal["pair-ce"] = "pair-ce"
    smoothing: Annotated[float, Field(ge=0, lt=0.5)] = 0.0


LossConfig = Annotated[
    NslConfig
    | NslMarginConfig
    | HrS2dmlConfig
    | TripletConfig
    | DCnnConfig
    | ContrastiveConfig
    | RobustNslConfig
    | SphereFaceConfig
    | SimilarityRetentionConfig
    | SncaConfig
    | ProxyNcaConfig
    | ProxyAnchorConfig
    | HardMiningConfig
    | MseConfig
    | PairCrossEntropyConfig,
    Field(discriminator="name"),
]
"""Any of the losses, discriminated by `name`."""
