"""Label noise: robust and plain normalised softmax with a fifth of UC Merced's training labels flipped."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from models.evaluation.protocols import residual_dyad
from models.losses.configs import RobustNslConfig
from models.papers.experiments import Experiment, experiment_cell, sized
from models.papers.markdown import markdown_table
from models.papers.results import Cell, Results
from models.papers.seed_cells import SEEDS, Pick, seeded, shown, what_was_run
from models.training.recipes.recipe import Recipe

DATA = "ucmerced"
TRAINED = 0.8
FLIPPED = (0.2, 0.0)
"""Shares of wrong labels; none for comparison."""
WARM_UP: Mapping[str, int] = MappingProxyType({"small": 500, "paper": 230})
"""Updates with the normalised softmax before the robust one: a third of all."""
LOSSES: Mapping[str, str] = MappingProxyType(
    {"robust-nsl": "robust NSL", "robust-nsl-warm": "NSL, then robust NSL", "nsl": "NSL"}
)

_COLUMNS: Mapping[str, tuple[Pick, bool]] = MappingProxyType(
    {
        "mAP": (lambda cell: float(cell["retrieval"]["mean_average_precision"]), True),
        "ANMRR": (lambda cell: float(cell["retrieval"]["anmrr"]), False),
        "P@10": (lambda cell: float(cell["retrieval"]["precision_at"]["10"]), True),
        "kNN accuracy": (lambda cell: float(cell["retrieval"]["knn_accuracy"]), True),
        "NMI": (lambda cell: float(cell["clustering"]["nmi"]), True),
    }
)


def cells(scale: str) -> list[Cell]:
    """Each loss with wrong labels, then without: `noise-20-robust-nsl-seed0` and so on."""
    protocol = residual_dyad(TRAINED)
    return [
        experiment_cell(
            seeded(_prefix(flipped, loss), seed), Experiment(DATA, protocol, _recipe(loss, scale, seed), flipped=flipped)
        )
        for flipped in FLIPPED
        for seed in range(SEEDS[scale])
        for loss in LOSSES
    ]


def render(results: Results) -> str:
    """The table, with the settings of the runs."""
    rows = [
        [
            f"{name}, {round(100 * flipped)} % wrong",
            *(
                shown(results, _prefix(flipped, loss), pick, percent=percent, digits=2 if percent else 4)
                for pick, percent in _COLUMNS.values()
            ),
        ]
        for flipped in FLIPPED
        for loss, name in LOSSES.items()
    ]
    run = what_was_run(results, _prefix(FLIPPED[0], "nsl"))
    return f"{run} {_CAPTION}\n\n{markdown_table(['loss, training labels', *_COLUMNS], rows)}"


_CAPTION = (
    "UC Merced, 80 % of each class trained on; the given share of those labels was replaced by another class, drawn uniformly. "
    "The other images query; every image but the query is ranked, by its true class. All losses run alike, with tau 0.05; the "
    "robust one has q = 0.7 and no truncation. A network from scratch contradicts nearly every label at first, which leaves "
    "the robust loss next to no gradient: the middle rows begin with NSL for a third of the updates."
)


def _recipe(loss: str, scale: str, seed: int) -> Recipe:
    if loss == "robust-nsl-warm":
        return sized("robust-nsl", scale, seed, loss=RobustNslConfig(warm_up=WARM_UP[scale]))
    return sized(loss, scale, seed)


def _prefix(flipped: float, loss: str) -> str:
    return f"noise-{round(100 * flipped)}-{loss}"
