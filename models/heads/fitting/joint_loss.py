"""The joint loss of HR-S2DML over a linear head, with gradients, in NumPy; `models.losses` has it in PyTorch.

The service trains heads with it: the service is installed without PyTorch, which takes 5.5 GB. Computed in the dtype of the
input, float32 or float64.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]

_SMALLEST_NORM = 1e-12
_SMALLEST_SINE = 1e-6
_RANK_TOLERANCE = 1e-6
"""Singular values below this share of the largest count as zero."""


class Parameters(NamedTuple):
    """Trained arrays. weight: (D, F) and bias: (D,) of the head. prototypes: (C, D); only their directions matter."""

    weight: Array
    bias: Array
    prototypes: Array


class Unit(NamedTuple):
    """Rows divided by their lengths, (N, D), and those lengths, (N, 1)."""

    rows: Array
    lengths: Array

    def back(self, gradient: Array) -> Array:
        """The gradient with respect to the rows before normalisation, from the gradient (N, D) with respect to the unit
        rows."""
        along = np.sum(gradient * self.rows, axis=1, keepdims=True)
        return np.asarray((gradient - self.rows * along) / self.lengths)


def to_unit(rows: Array) -> Unit:
    """L2-normalise (N, D) rows; a row of zeros stays zero."""
    lengths = np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), _SMALLEST_NORM).astype(rows.dtype)
    return Unit(rows / lengths, lengths)


@dataclass(frozen=True, slots=True)
class JointLoss:
    """Equation 7 of HR-S2DML, L = L_s-m + lambda L_HR, and two terms that preserve the embeddings of unlabelled rows.

    tau, margin: of equation 3, above 0 and in radians in [0, pi / 2). rankness: lambda, at least 0. rank_tau: temperature of
    the predictions in equation 6 (which has none: 1). L_HR is divided by the number of singular values, so that its size does
    not depend on the batch: "mean" of `high_rankness`. open_world: whether the predictions of equation 6 include "none of
    these", see `high_rankness`; the paper assumes that every unlabelled row belongs to a labelled class. keep: weight of the
    mean of 1 - cosine between the embedding of an unlabelled row and where it was. retain: weight of the mean squared change of
    the cosine between two unlabelled rows, which allows all of them to move together.
    """

    tau: float = 0.05
    margin: float = 0.5
    rankness: float = 1.0
    rank_tau: float = 1.0
    keep: float = 0.0
    open_world: bool = False
    retain: float = 0.0

    def __call__(
        self, parameters: Parameters, labelled: Array, targets: NDArray[np.bool_], unlabelled: Array, before: Array
    ) -> tuple[float, Parameters]:
        """The loss, and its gradients in the form of the parameters.

        labelled: (N, F) features. targets: (N, C), the classes of each, at least one; a tile with several classes counts for
        each of them, and none of them is a negative for it. unlabelled: (M, F) features, M may be 0. before: (M, D) unit rows,
        the embeddings of unlabelled rows before the fit.
        """
        weight, bias, prototypes = parameters
        directions = to_unit(prototypes)
        embeddings = to_unit(labelled @ weight.T + bias)
        value, on_embeddings, on_directions = softmax_with_margin(
            embeddings.rows, targets, directions.rows, tau=self.tau, margin=self.margin
        )
        on_outputs = embeddings.back(on_embeddings)
        on_weight, on_bias = on_outputs.T @ labelled, on_outputs.sum(axis=0)
        if len(unlabelled):
            none = float(np.median((embeddings.rows @ directions.rows.T)[targets])) if self.open_world else None
            others = to_unit(unlabelled @ weight.T + bias)
            more, on_others, on_more = self._unlabelled(others.rows, directions.rows, before, none)
            value += more
            on_outputs = others.back(on_others)
            on_weight, on_bias = on_weight + on_outputs.T @ unlabelled, on_bias + on_outputs.sum(axis=0)
            on_directions = on_directions + on_more
        return value, Parameters(on_weight, on_bias, directions.back(on_directions))

    def _unlabelled(self, rows: Array, directions: Array, before: Array, none: float | None) -> tuple[float, Array, Array]:
        """The terms of unlabelled unit rows; gradients on these rows and on the directions."""
        value, on_rows, on_directions = high_rankness(rows, directions, tau=self.rank_tau, none=none)
        value, on_rows, on_directions = self.rankness * value, self.rankness * on_rows, self.rankness * on_directions
        value += self.keep * float(np.mean(1 - np.sum(rows * before, axis=1)))
        on_rows = on_rows - self.keep / len(before) * before
        if self.retain:
            change, on_change = similarity_change(rows, before)
            value, on_rows = value + self.retain * change, on_rows + self.retain * on_change
        return value, on_rows, on_directions


def softmax_with_margin(
    embeddings: Array, targets: NDArray[np.bool_], directions: Array, *, tau: float, margin: float
) -> tuple[float, Array, Array]:
    """Equation 3, mean over pairs of a row and one of its classes; gradients on embeddings (N, D) and directions (C, D).

    Where the angle to the own class plus the margin exceeds pi, `cosine - margin sin(margin)` replaces `cos(angle + margin)`,
    which would rise again. The other classes of a row are left out of its denominator.

    embeddings: (N, D), directions: (C, D), both unit rows. targets: (N, C), at least one a row.
    """
    cosines = embeddings @ directions.T  # (N, C)
    rows, classes = np.nonzero(targets)
    pairs = np.arange(len(rows))
    own = np.clip(cosines[rows, classes], -1, 1)
    angles = np.arccos(own)
    is_within = angles <= np.pi - margin
    logits = np.where(targets[rows], -np.inf, cosines[rows]).astype(cosines.dtype)  # (pairs, C)
    logits[pairs, classes] = np.where(is_within, np.cos(angles + margin), own - margin * np.sin(margin))
    logits /= tau
    logits -= logits.max(axis=1, keepdims=True)
    shares = np.exp(logits)
    totals = shares.sum(axis=1, keepdims=True)
    value = float(np.mean(np.log(totals[:, 0]) - logits[pairs, classes]))
    shares /= totals
    shares[pairs, classes] -= 1
    sines = np.maximum(np.sin(angles), _SMALLEST_SINE)
    shares[pairs, classes] *= np.where(is_within, np.sin(angles + margin) / sines, 1)
    on_cosines = np.zeros_like(cosines)
    np.add.at(on_cosines, rows, shares / (tau * len(rows)))
    return value, on_cosines @ directions, on_cosines.T @ embeddings


def high_rankness(embeddings: Array, directions: Array, *, tau: float, none: float | None = None) -> tuple[float, Array, Array]:
    """Equations 5 and 6 over min(M, C); gradients on embeddings (M, D) and directions (C, D), both unit rows.

    none: cosine of an additional class "none of these", equal for all rows: a row is predicted to be of a class only if its
    cosine is higher. None: every row is of one of the C classes.
    """
    logits = embeddings @ directions.T  # (M, C)
    if none is not None:
        logits = np.concatenate([logits, np.full((len(logits), 1), none, logits.dtype)], axis=1)
    logits = logits / tau
    logits -= logits.max(axis=1, keepdims=True)
    predictions = np.exp(logits)
    predictions /= predictions.sum(axis=1, keepdims=True)
    norm, on_predictions = _nuclear_norm(predictions)
    divisor = min(predictions.shape)
    on_predictions /= -divisor
    on_logits = predictions * (on_predictions - np.sum(predictions * on_predictions, axis=1, keepdims=True)) / tau
    on_logits = on_logits[:, : len(directions)]
    return -norm / divisor, on_logits @ directions, on_logits.T @ embeddings


def similarity_change(rows: Array, before: Array) -> tuple[float, Array]:
    """Mean squared difference between the cosines of all pairs of rows and those before; the gradient on rows (M, D).

    rows, before: (M, D), unit rows.
    """
    difference = rows @ rows.T - before @ before.T
    return float(np.mean(difference * difference)), 4 / difference.size * (difference @ rows)


def _nuclear_norm(matrix: Array) -> tuple[float, Array]:
    """The sum of the singular values, and the subgradient U V^T = P (P^T P)^(-1/2) over those that are not zero.

    Computed from the eigenvalues of the smaller Gram matrix in float64: as exact here as a singular value decomposition, and
    measured at a third of its time.
    """
    is_wide = matrix.shape[0] < matrix.shape[1]
    tall = (matrix.T if is_wide else matrix).astype(np.float64)
    squares, vectors = np.linalg.eigh(tall.T @ tall)  # ascending
    values = np.sqrt(np.maximum(squares, 0))
    kept = values > _RANK_TOLERANCE * values[-1]
    inverse_root = (vectors[:, kept] / values[kept]) @ vectors[:, kept].T
    gradient = (tall @ inverse_root).astype(matrix.dtype)
    return float(values.sum()), gradient.T if is_wide else gradient
