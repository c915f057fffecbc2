"""The papers' experimental protocols: share of training images, queries, and ranked images.

They work on index arrays only. A caller splits by `train_fraction` (or k-fold), trains on `train`, and evaluates on
`selection`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.evaluation.errors import EvaluationError
from models.evaluation.metrics.ranking import Indices

RESIDUAL_DYAD_FRACTIONS = (0.8, 0.7, 0.6, 0.5, 0.4, 0.3)
"""Training shares of protocol A; the tables use the first, figure 10 all of them."""
RESIDUAL_DYAD_FOLDS = 5
"""Folds of figure 7."""
HR_S2DML_FRACTIONS = (0.05, 0.10, 0.15, 0.20)
"""Labelled shares of protocol B."""


@dataclass(frozen=True, slots=True)
class Selection:
    """queries: (Q,), database: (N,) intp, indices of images. own: (Q,), the row of `database` that each query is, or None
    where no query is in the database."""

    queries: NDArray[np.intp]
    database: NDArray[np.intp]
    own: NDArray[np.intp] | None


@dataclass(frozen=True, slots=True)
class Protocol:
    """One experiment. Queries are the test images in each.

    name: key of results, for instance "A-80". train_fraction: share of labelled training images of each class, 0..1.
    database: "others" ranks all images except the query, "train" the training images, "test" the other test images.
    description: for people.
    """

    name: str
    train_fraction: float
    database: Literal["others", "train", "test"]
    description: str

    def selection(self, train: Indices, test: Indices) -> Selection:
        """Queries and ranked images. train, test: disjoint indices.

        Raises:
            EvaluationError: an index is in both, or there are no queries or no images to rank.
        """
        train, test = (np.asarray(side, dtype=np.intp) for side in (train, test))
        both = np.concatenate([train, test])
        if len(np.unique(both)) != len(both):
            raise EvaluationError("an image is in both train and test, or twice in one of them; split without duplicates")
        if self.database == "train":
            database, own = train, None
        elif self.database == "test":
            database, own = test, np.arange(len(test))
        else:
            database, own = both, len(train) + np.arange(len(test))
        if len(test) == 0 or len(database) - (own is not None) < 1:
            raise EvaluationError(
                f"protocol {self.name} has {len(test)} queries and {len(database)} images to rank; more are needed"
            )
        return Selection(test, database, own)


def residual_dyad(train_fraction: float = RESIDUAL_DYAD_FRACTIONS[0]) -> Protocol:
    """Protocol A: train on a share of the images, query with the rest, rank all images except the query.

    The paper states the split, not the database, but its results imply it: P@1000 of 9.90 % on 2 100 images, 100 per class, is
    99 found of 99; ranking only the test images (20 per class) or the training images (80) would give at most 2 or 8 %.
    """
    share = _percent(train_fraction)
    return Protocol(
        f"A-{share}",
        train_fraction,
        "others",
        f"residual-dyad: trained on {share} % of each class; the other images query; all images except the query are ranked",
    )


def hr_s2dml(labelled_fraction: float = HR_S2DML_FRACTIONS[-1]) -> Protocol:
    """Protocol B: label a share of the images; the rest, used without labels in training, query the labelled ones."""
    share = _percent(labelled_fraction)
    return Protocol(
        f"B-{share}",
        labelled_fraction,
        "train",
        f"HR-S2DML: {share} % of each class labelled; the other images query; the labelled images are ranked",
    )


def unseen() -> Protocol:
    """Classes or data sets without training images: each test image queries all other test images."""
    return Protocol(
        "unseen", 0.0, "test", "classes without training images; each of their images queries all others; only these are ranked"
    )


def protocol_named(name: str) -> Protocol:
    """`A-80`, `B-5`, `unseen`, ...: the inverse of `Protocol.name`.

    Raises:
        EvaluationError: there is no such protocol.
    """
    known = [*map(residual_dyad, RESIDUAL_DYAD_FRACTIONS), *map(hr_s2dml, HR_S2DML_FRACTIONS), unseen()]
    for protocol in known:
        if protocol.name == name:
            return protocol
    raise EvaluationError(f"unknown protocol {name!r}; choose one of {', '.join(each.name for each in known)}")


def _percent(fraction: float) -> int:
    if not 0 < fraction < 1:
        raise EvaluationError(f"a protocol's share must be between 0 and 1, not {fraction:g}")
    return round(100 * fraction)
