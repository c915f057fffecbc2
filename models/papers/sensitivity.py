"""Sensitivity of HR-S2DML to tau and m (table 5 of the paper), and of retrieval to the share of training images.

At the small scale they are heads on frozen features with ImageNet weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from models.evaluation.protocols import RESIDUAL_DYAD_FRACTIONS, hr_s2dml, residual_dyad
from models.losses.configs import HrS2dmlConfig, LossConfig
from models.papers.experiments import Experiment, experiment_cell, sized
from models.papers.frozen_head import SEEDS as SMALL_SEEDS
from models.papers.frozen_head import WHAT_WAS_RUN, head_cell, head_recipe
from models.papers.markdown import markdown_table, number
from models.papers.protocol_b import experiment
from models.papers.results import Cell, Results
from models.papers.seed_cells import SEEDS, seeded, shown, what_was_run

LABELLED = 0.15
"""As in the paper's table 5."""
TAUS = (0.05, 0.1, 0.2)
MARGINS = (0.1, 0.3, 0.5)
FEATURES: tuple[Literal["projected"], Literal["unit"]] = ("projected", "unit")
"""What equation 6 takes: un-normalised features as in the paper, or unit vectors."""

_PAPER: Mapping[tuple[float, float], float] = MappingProxyType(
    {
        (0.05, 0.1): 90.44,
        (0.05, 0.3): 91.34,
        (0.05, 0.5): 91.40,
        (0.1, 0.1): 90.90,
        (0.1, 0.3): 91.59,
        (0.1, 0.5): 91.40,
        (0.2, 0.1): 91.11,
        (0.2, 0.3): 90.81,
        (0.2, 0.5): 91.04,
    }
)
"""kNN accuracy on AID, 15 % labelled."""


def cells(scale: str) -> list[Cell]:
    """`sensitivity-tau005-m010-seed0` and so on, then `ratio-80-seed0` and so on."""
    found = []
    for seed in range(SMALL_SEEDS if scale == "small" else SEEDS[scale]):
        for features in FEATURES:
            for tau in TAUS:
                for margin in MARGINS:
                    loss = HrS2dmlConfig(tau=tau, margin=margin, rank_features=features)
                    found.append(_pair_cell(seeded(pair_key(tau, margin, features), seed), loss, scale, seed))
        found += [_ratio_cell(seeded(ratio_key(share), seed), share, scale, seed) for share in RESIDUAL_DYAD_FRACTIONS]
    return found


def _pair_cell(key: str, loss: LossConfig, scale: str, seed: int) -> Cell:
    if scale == "small":
        return head_cell(key, "aid", hr_s2dml(LABELLED), seed, head_recipe("hr-s2dml", seed, loss))
    return experiment_cell(key, experiment("hr-s2dml", LABELLED, scale, seed, loss=loss.model_dump()))


def _ratio_cell(key: str, share: float, scale: str, seed: int) -> Cell:
    protocol = residual_dyad(share)
    if scale == "small":
        return head_cell(key, "ucmerced", protocol, seed, head_recipe("nsl", seed))
    return experiment_cell(key, Experiment("ucmerced", protocol, sized("nsl", scale, seed)))


def render(results: Results) -> str:
    """Both tables, with the settings of the runs."""
    small, first = results.scale == "small", pair_key(TAUS[0], MARGINS[0])
    rows = []
    for tau in TAUS:
        for features, title in zip(FEATURES, ("", ", unit vectors in eq. 6"), strict=True):
            rows.append([f"τ = {tau:g}{title}", *(_accuracy(results, pair_key(tau, m, features)) for m in MARGINS)])
        rows.append([f"τ = {tau:g}, the paper", *(number(_PAPER[tau, m]) for m in MARGINS)])
    head = ["HR-S2DML, kNN accuracy", *(f"m = {margin:g}" for margin in MARGINS)]
    return "\n\n".join(
        [
            f"{WHAT_WAS_RUN if small else what_was_run(results, first)} AID, 15 % labelled.",
            markdown_table(head, rows),
            _RATIO_CAPTION if small else f"{what_was_run(results, ratio_key(RESIDUAL_DYAD_FRACTIONS[0]))} {_RATIO_CAPTION}",
            markdown_table(["trained share", *(f"{round(100 * s)} %" for s in RESIDUAL_DYAD_FRACTIONS)], _ratios(results)),
        ]
    )


def _accuracy(results: Results, prefix: str) -> str:
    return shown(results, prefix, lambda cell: float(cell["retrieval"]["knn_accuracy"]))


_RATIO_CAPTION = (
    "NSL on UC Merced by the share that is trained on, with the same updates; the other images query, "
    "every image but the query is ranked. Residual-dyad's figure 10 draws this for its matcher without numbers."
)


def _ratios(results: Results) -> list[list[str]]:
    def row(title: str, name: str, percent: bool) -> list[str]:
        digits = 2 if percent else 4
        numbers = [
            shown(results, ratio_key(share), lambda cell: float(cell["retrieval"][name]), percent=percent, digits=digits)
            for share in RESIDUAL_DYAD_FRACTIONS
        ]
        return [title, *numbers]

    return [row("mAP", "mean_average_precision", True), row("ANMRR", "anmrr", False)]


def pair_key(tau: float, margin: float, features: str = FEATURES[0]) -> str:
    """The key of the cells of tau, margin and what equation 6 takes, without the seed."""
    variant = "" if features == FEATURES[0] else f"{features}-"
    return f"sensitivity-{variant}tau{round(100 * tau):03}-m{round(100 * margin):03}"


def ratio_key(share: float) -> str:
    """The key of the cells of a share of training images, without the seed."""
    return f"ratio-{round(100 * share)}"
