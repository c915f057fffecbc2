"""The module of a loss from its configuration."""

from __future__ import annotations

from torch import nn

from models.losses import configs
from models.losses.classification.hr_s2dml import HrS2dml
from models.losses.classification.nsl import NormalizedSoftmax
from models.losses.classification.nsl_margin import NormalizedSoftmaxMargin
from models.losses.classification.proxy_anchor import ProxyAnchor
from models.losses.classification.proxy_nca import ProxyNca
from models.losses.classification.robust_nsl import RobustNormalizedSoftmax
from models.losses.classification.sphere import Sphere
from models.losses.pairs.contrastive import Contrastive
from models.losses.pairs.d_cnn import DCnn
from models.losses.pairs.hard_mining import OnlineHardMining
from models.losses.pairs.pair_cross_entropy import PairCrossEntropy
from models.losses.pairs.similarity_retention import SimilarityRetention
from models.losses.pairs.snca import Snca
from models.losses.pairs.triplet import TripletMargin
from models.losses.reconstruction import Reconstruction

_PER_CLASS: dict[str, type[nn.Module]] = {
    "nsl": NormalizedSoftmax,
    "nsl-margin": NormalizedSoftmaxMargin,
    "hr-s2dml": HrS2dml,
    "d-cnn": DCnn,
    "robust-nsl": RobustNormalizedSoftmax,
    "sphere": Sphere,
    "proxy-nca": ProxyNca,
    "proxy-anchor": ProxyAnchor,
}
_PLAIN: dict[str, type[nn.Module]] = {
    "triplet": TripletMargin,
    "contrastive": Contrastive,
    "similarity-retention": SimilarityRetention,
    "hard-mining": OnlineHardMining,
    "mse": Reconstruction,
    "pair-ce": PairCrossEntropy,
}


def build_loss(config: configs.LossConfig, *, num_classes: int, dim: int, num_images: int) -> nn.Module:
    """The loss that `config` describes; `config.inputs` says what to call it with.

    num_classes: C, of the labelled training set. dim: D, of the embedding. num_images: T, of the labelled training set;
    the losses that need neither ignore them. Parameters (class prototypes) are trained beside the network's.

    Raises:
        ValueError: parameters that contradict each other.
    """
    parameters = config.model_dump(exclude={"name"})
    if config.name == "snca":
        return Snca(num_images, dim, **parameters)
    if config.name in _PER_CLASS:
        return _PER_CLASS[config.name](num_classes, dim, **parameters)
    return _PLAIN[config.name](**parameters)
