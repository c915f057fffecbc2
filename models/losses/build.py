"""The module of a loss from its configuration."""

from __future__ import annotations

from torch import nn

from models.losses import configs
from models.losses.contrastive import Contrastive
from models.losses.d_cnn import DCnn
from models.losses.hard_mining import OnlineHardMining
from models.losses.hr_s2dml import HrS2dml
from models.losses.nsl import NormalizedSoftmax
from models.losses.nsl_margin import NormalizedSoftmaxMargin
from models.losses.pair_cross_entropy import PairCrossEntropy
from models.losses.proxy_anchor import ProxyAnchor
from models.losses.proxy_nca import ProxyNca
from models.losses.reconstruction import Reconstruction
from models.losses.robust_nsl import RobustNormalizedSoftmax
from models.losses.similarity_retention import SimilarityRetention
from models.losses.snca import Snca
from models.losses.sphere import Sphere
from models.losses.triplet import TripletMargin

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
