"""Protocol B: HR-S2DML and the methods it is compared with on AID, 5 to 20 % labelled (tables 1 to 4 of the paper)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from models.evaluation.protocols import hr_s2dml
from models.papers.experiments import Experiment, experiment_cell, sized
from models.papers.markdown import markdown_table, number
from models.papers.results import Cell, Results
from models.papers.seed_cells import SEEDS, Pick, seeded, shown, values, what_was_run
from models.training.recipes.named_recipes import RECIPES

DATA = "aid"
IMAGES = 10_000
METHODS: Mapping[str, str] = MappingProxyType({"hr-s2dml": "HR-S2DML", "d-cnn": "D-CNN", "triplet": "Triplet", "nsl": "NSL"})
"""Recipes and their names, in the paper's order by k-NN accuracy."""
ATTENTION, ATTENTION_TITLE = "nsl-attention", "NSL, residual attention"
"""NSL with the network of Wang et al. (2017), ResNet-18 with residual attention; the paper has no such row."""
FRACTIONS = (0.20, 0.05, 0.15, 0.10)
"""Labelled shares, the most important first."""

TUNED: Mapping[str, Mapping[str, Any]] = MappingProxyType({})
"""Differences from `experiments.SMALL` for a method at the small scale, chosen by `trial_cells` on labelled images held out of
training, not on test images. The paper also tunes the rate of each method."""

RATES = (0.02, 0.05, 0.1)
D_CNN_WEIGHTS = (0.5, 5.0)
"""Weights of the metric term, besides the published 0.05, which multiplies a sum over pairs instead of a mean."""

_PAPER: Mapping[str, Mapping[str, tuple[float, float, float, float]]] = MappingProxyType(
    {
        "knn": {
            "hr-s2dml": (83.19, 89.28, 92.29, 93.31),
            "d-cnn": (80.03, 86.62, 90.22, 91.61),
            "triplet": (79.46, 85.72, 89.47, 91.24),
            "nsl": (73.92, 82.71, 86.78, 89.55),
        },
        "nmi": {
            "hr-s2dml": (78.45, 85.31, 88.59, 90.07),
            "d-cnn": (72.90, 79.87, 82.95, 86.04),
            "triplet": (74.90, 80.97, 84.30, 85.68),
            "nsl": (67.31, 75.66, 79.77, 83.72),
        },
        "acc": {
            "hr-s2dml": (81.87, 89.62, 92.32, 93.42),
            "d-cnn": (73.87, 82.26, 85.91, 86.24),
            "triplet": (77.93, 82.38, 85.73, 90.08),
            "nsl": (66.61, 78.63, 80.59, 88.48),
        },
        "map": {
            "hr-s2dml": (88.43, 95.05, 96.99, 97.62),
            "d-cnn": (79.93, 86.93, 90.36, 92.24),
            "triplet": (77.11, 84.90, 88.46, 90.69),
            "nsl": (69.86, 79.92, 84.74, 88.40),
        },
    }
)
"""Tables 1 to 4 for AID, in percent, at 5, 10, 15 and 20 %."""

MEASURES: Mapping[str, tuple[str, Pick]] = MappingProxyType(
    {
        "knn": ("kNN accuracy, K = 10", lambda cell: float(cell["retrieval"]["knn_accuracy"])),
        "nmi": ("NMI of k-means", lambda cell: float(cell["clustering"]["nmi"])),
        "acc": ("ACC of k-means", lambda cell: float(cell["clustering"]["acc"])),
        "map": ("MAP@20", lambda cell: float(cell["retrieval"]["map_at_20"])),
    }
)


def cells(scale: str) -> list[Cell]:
    """Each share and method, `b-20-hr-s2dml-seed0` and so on."""
    return [
        experiment_cell(seeded(prefix(fraction, method), seed), _experiment_of(method, fraction, scale, seed))
        for fraction in FRACTIONS
        for seed in range(SEEDS[scale])
        for method in (*METHODS, ATTENTION)
    ]


def _experiment_of(method: str, fraction: float, scale: str, seed: int) -> Experiment:
    if method == ATTENTION:
        return experiment("nsl", fraction, scale, seed, backbone="attention-resnet18")
    return experiment(method, fraction, scale, seed)


def trial_cells(scale: str) -> list[Cell]:
    """Short runs at 20 % that compare rates, and weights for D-CNN; a fifth of the labelled images is held out as queries."""
    tried: list[tuple[str, str, dict[str, Any]]] = [
        (f"{method}-lr{round(rate * 1000):03}", method, {"lr": rate}) for method in METHODS for rate in RATES
    ]
    for weight in D_CNN_WEIGHTS:
        tried.append((f"d-cnn-weight{round(weight * 100):03}", "d-cnn", {"loss": {"name": "d-cnn", "weight": weight}}))
    short = {"epochs": 3}
    return [
        experiment_cell(f"tune-b-{name}", experiment(method, 0.20, scale, 0, validation=0.04, **short, **changes))
        for name, method, changes in tried
    ]


def experiment(method: str, fraction: float, scale: str, seed: int, *, validation: float = 0.0, **changes: Any) -> Experiment:
    """One run; changes: of the recipe's fields.

    All methods make the same number of updates with the same number of labelled images; HR-S2DML's unlabelled ones are in
    addition. An epoch of the published runs is a pass over the unlabelled images, 4 to 19 times as many as labelled ones.
    """
    passes = {"steps_per_epoch": round((1 - fraction) * IMAGES) // RECIPES[method].batch_size}
    own = passes if scale == "paper" else TUNED.get(method, {})
    recipe = sized(method, scale, seed, **{**own, **changes})
    return Experiment(DATA, hr_s2dml(fraction), recipe, validation=validation, imagenet=scale == "paper")


def render(results: Results) -> str:
    """The four tables, ours above the paper's, what was run, and the order of the methods."""
    parts = [f"{what_was_run(results, prefix(0.20, 'nsl'))} {_CAPTION}"]
    for measure, (title, pick) in MEASURES.items():
        rows = []
        for method, name in METHODS.items():
            rows.append([name, *(shown(results, prefix(fraction, method), pick) for fraction in sorted(FRACTIONS))])
            if measure == "map":
                rows.append([f"{name}, strict", *(_strict(results, fraction, method) for fraction in sorted(FRACTIONS))])
            rows.append([f"{name}, the paper", *(number(value) for value in _PAPER[measure][method])])
        rows.append([ATTENTION_TITLE, *(shown(results, prefix(fraction, ATTENTION), pick) for fraction in sorted(FRACTIONS))])
        parts.append(markdown_table([title, *(f"{fraction:.0%}".replace("%", " %") for fraction in sorted(FRACTIONS))], rows))
    return "\n\n".join([*parts, *_order(results), *_cost(results), *_trials(results)])


_CAPTION = (
    "Every method has the same updates of the same number of labelled images; HR-S2DML sees as many unlabelled ones beside "
    "(the other images of AID, without their labels), so each of its updates costs twice as much. Images that were not "
    "labelled query the labelled ones. The paper begins with ImageNet weights at 256 px, from images of 600 px (here 150). "
    "MAP@20 averages the precision over the relevant items among the first 20, *strict* over as many as could be there: the "
    "paper does not say which it means."
)


def published(measure: str, method: str, fraction: float) -> float | None:
    """The paper's value in percent; None if it has none."""
    found = _PAPER[measure].get(method)
    return None if found is None else found[sorted(FRACTIONS).index(fraction)]


def prefix(fraction: float, method: str) -> str:
    """The key of the cells of a share and a method, without the seed."""
    return f"b-{round(100 * fraction)}-{method}"


def _strict(results: Results, fraction: float, method: str) -> str:
    return shown(results, prefix(fraction, method), lambda cell: float(cell["retrieval"]["map_at_20_strict"]))


def _order(results: Results) -> list[str]:
    """One line for each share at which all methods are measured."""
    pick = MEASURES["knn"][1]
    lines = []
    for place, fraction in enumerate(sorted(FRACTIONS)):
        found = {method: values(results, prefix(fraction, method), pick) for method in METHODS}
        if all(found.values()):
            ours = sorted(METHODS, key=lambda method: -sum(found[method]) / len(found[method]))
            theirs = sorted(METHODS, key=lambda method: -_PAPER["knn"][method][place])
            names = [" > ".join(METHODS[method] for method in order) for order in (ours, theirs)]
            lines.append(f"- Order by kNN at {round(100 * fraction)} %: {names[0]} (the paper: {names[1]})")
    return ["\n".join(lines)] if lines else []


def _cost(results: Results) -> list[str]:
    """One line: what each method's updates cost."""
    found = {
        name: values(results, prefix(0.20, method), lambda cell: float(cell["images"])) for method, name in METHODS.items()
    }
    costs = [f"{name} {round(images[0] / 1000)} 000" for name, images in found.items() if images]
    return [f"- Images forward and backward in a run at 20 %: {', '.join(costs)}"] if costs else []


def _trials(results: Results) -> list[str]:
    """The table behind `TUNED`."""
    rows = []
    for cell in trial_cells("small"):
        found = results.read(cell.key)
        if found is not None:
            rows.append([cell.key.removeprefix("tune-b-"), number(found["retrieval"]["knn_accuracy"], percent=True)])
    if not rows:
        return []
    head = "How the rates were chosen: 300 updates on four fifths of the labelled 20 %, the last fifth queries."
    return [head, markdown_table(["trial", "kNN accuracy"], rows)]
