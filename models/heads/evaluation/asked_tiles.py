"""Which labelled tiles an evaluation asks for: never those that the model was trained on, where that can be helped."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.bundle.trained_card import training_record
from models.evaluation.metrics.relevance import LabelSets
from models.evaluation.protocols import Protocol
from models.heads.errors import HeadError
from models.heads.inputs import Inputs

MOST_TILES = 3000
"""Asked for at most: enough for every figure, and soon measured."""
_RANKED = "each queries all others; nothing else is ranked; relevant is what shares a label"
_ALL = Protocol("labelled tiles", 0.0, "test", f"labelled tiles of the collection, of which the model saw no label: {_RANKED}")
_HELD_OUT = Protocol("held-out tiles", 0.0, "test", f"labelled tiles that are held out of every training: {_RANKED}")
_TRAINED_ON = Protocol("labelled tiles", 0.0, "test", f"labelled tiles of the collection, trained ones among them: {_RANKED}")


@dataclass(frozen=True, slots=True)
class Asked:
    """rows: (M,) of the N tiles, ascending. labels: theirs. primary: (M,) the rarest label of each. several: how many have more
    than one. warnings: why the figures may be too good."""

    rows: NDArray[np.intp]
    labels: LabelSets
    primary: NDArray[np.str_]
    several: int
    protocol: Protocol
    warnings: tuple[str, ...]


def choose_tiles(inputs: Inputs) -> Asked:
    """All labelled tiles where the model saw none of their labels, else the held-out ones.

    The card tells: a model that was trained on a collection names it among its training sets. Where too few tiles are held out
    to ask for any, all are asked for, with a warning.

    Raises:
        HeadError: no two labelled tiles share a label.
    """
    every = np.flatnonzero(inputs.is_labelled)
    if not _can_ask(inputs, every):
        raise HeadError("nothing to ask for: no two tiles share a label. Label at least two tiles of each of two kinds")
    if inputs.manifest.collection not in {each.name for each in training_record(inputs.card).training_sets}:
        return _asked(inputs, every, _ALL)
    held_out = np.flatnonzero(inputs.is_labelled & inputs.held_out)
    if _can_ask(inputs, held_out):
        return _asked(inputs, held_out, _HELD_OUT)
    warning = (
        f"the model was trained on labels of this collection, and the {len(held_out)} labelled tiles that were held out are "
        "too few to ask for: the figures are too good"
    )
    return _asked(inputs, every, _TRAINED_ON, warning)


def _can_ask(inputs: Inputs, rows: NDArray[np.intp]) -> bool:
    """Whether two labels have two tiles each: one label alone is always found."""
    return bool((inputs.labels[rows].sum(axis=0) >= 2).sum() >= 2)


def _asked(inputs: Inputs, rows: NDArray[np.intp], protocol: Protocol, *warnings: str) -> Asked:
    rows = np.sort(np.random.default_rng(inputs.manifest.seed).permutation(rows)[:MOST_TILES])
    labels = inputs.label_sets(rows)
    counts = labels.flags.sum(axis=0)
    rarest = np.where(labels.flags, counts, len(rows) + 1).argmin(axis=1)
    primary = np.asarray(labels.names, dtype=np.str_)[rarest]
    several = int(np.count_nonzero(labels.flags.sum(axis=1) > 1))
    return Asked(rows, labels, primary, several, protocol, warnings)
