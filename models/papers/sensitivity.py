"""Sensitivity of HR-S2DML to tau and m (table 5 of the paper), and of retrieval to the share of training images."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from models.evaluation.protocols import RESIDUAL_DYAD_FRACTIONS, residual_dyad
from models.papers.experiments import Experiment, experiment_cell, sized
from models.papers.markdown import markdown_table, number
from models.papers.protocol_b import experiment
from models.papers.results import Cell, Results
from models.papers.seed_cells import SEEDS, seeded, shown, what_was_run

LABELLED = 0.15
"""As in the paper's table 5."""
TAUS = (0.05, 0.1, 0.2)
MARGINS = (0.1, 0.3, 0.5)
SMALL_EPOCHS = 4
"""Epochs of 100 updates at the small scale: the nine runs show the sensitivity, not the best accuracy."""

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
    """`sensitivity-tau005-m01-seed0` and so on, then `ratio-80-seed0` and so on."""
    short: dict[str, Any] = {"epochs": SMALL_EPOCHS} if scale == "small" else {}
    found = []
    for seed in range(SEEDS[scale]):
        for tau in TAUS:
            for margin in MARGINS:
                loss = {"name": "hr-s2dml", "tau": tau, "margin": margin}
                run = experiment("hr-s2dml", LABELLED, scale, seed, loss=loss, **short)
                found.append(experiment_cell(seeded(pair_key(tau, margin), seed), run))
        for share in RESIDUAL_DYAD_FRACTIONS:
            run = Experiment("ucmerced", residual_dyad(share), sized("nsl", scale, seed, **short))
            found.append(experiment_cell(seeded(ratio_key(share), seed), run))
    return found


def render(results: Results) -> str:
    """Both tables, with the settings of the runs."""
    rows = []
    for tau in TAUS:
        ours = [shown(results, pair_key(tau, m), lambda cell: float(cell["retrieval"]["knn_accuracy"])) for m in MARGINS]
        rows.append([f"τ = {tau:g}", *ours])
        rows.append([f"τ = {tau:g}, the paper", *(number(_PAPER[tau, m]) for m in MARGINS)])
    head = ["HR-S2DML, kNN accuracy", *(f"m = {margin:g}" for margin in MARGINS)]
    return "\n\n".join(
        [
            f"{what_was_run(results, pair_key(TAUS[0], MARGINS[0]))} AID, 15 % labelled, as many unlabelled images beside.",
            markdown_table(head, rows),
            f"{what_was_run(results, ratio_key(RESIDUAL_DYAD_FRACTIONS[0]))} {_RATIO_CAPTION}",
            markdown_table(["trained share", *(f"{round(100 * s)} %" for s in RESIDUAL_DYAD_FRACTIONS)], _ratios(results)),
        ]
    )


_RATIO_CAPTION = (
    "The normalised softmax loss on UC Merced by the share that is trained on, with the same updates; the other images query, "
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


def pair_key(tau: float, margin: float) -> str:
    """The key of the cells of tau and margin, without the seed."""
    return f"sensitivity-tau{round(100 * tau):03}-m{round(100 * margin):03}"


def ratio_key(share: float) -> str:
    """The key of the cells of a share of training images, without the seed."""
    return f"ratio-{round(100 * share)}"
