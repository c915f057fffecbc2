"""All losses on one protocol with ImageNet weights: a linear head on frozen features of AID, 5 and 20 % labelled.

Protocol B of HR-S2DML, with its four methods and the library's other losses. The paper trains the whole network.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from models.evaluation.protocols import hr_s2dml
from models.losses.configs import HrS2dmlConfig
from models.papers import protocol_b
from models.papers.frozen_head import SEEDS, WHAT_WAS_RUN, head_cell, head_recipe
from models.papers.markdown import markdown_table, number
from models.papers.results import Cell, Results
from models.papers.seed_cells import seeded, shown, values
from models.training.recipes.recipe import Recipe

DATA, FRACTIONS = "aid", (0.05, 0.20)

LOSSES: Mapping[str, str] = MappingProxyType(
    {
        "hr-s2dml": "HR-S2DML",
        "hr-s2dml-unit": "HR-S2DML, unit vectors in eq. 6",
        "d-cnn": "D-CNN",
        "triplet": "Triplet",
        "nsl": "NSL",
        "nsl-margin": "NSL with margin",
        "robust-nsl": "Robust NSL",
        "sphereface": "SphereFace",
        "contrastive": "Contrastive",
        "similarity-retention": "Similarity retention (SRL)",
        "snca": "SNCA",
        "proxy-nca": "Proxy-NCA",
        "proxy-anchor": "Proxy-Anchor",
        "hard-mining": "Hard mining",
    }
)
UNTRAINED = "untrained"
"""The features themselves, without a head."""
_UNIT = "-unit"


def cells(scale: str) -> list[Cell]:
    """Each share, seed and loss: `frozen-5-nsl-seed0` and so on; the same at both scales."""
    del scale
    return [_cell(name, fraction, seed) for fraction in FRACTIONS for seed in range(SEEDS) for name in (UNTRAINED, *LOSSES)]


def recipe_of(name: str, seed: int) -> Recipe | None:
    """The named recipe with the settings of all heads; None for the features without a head."""
    if name == UNTRAINED:
        return None
    if name.endswith(_UNIT):
        return head_recipe(name.removesuffix(_UNIT), seed, HrS2dmlConfig(rank_features="unit"))
    return head_recipe(name, seed)


def _cell(name: str, fraction: float, seed: int) -> Cell:
    return head_cell(seeded(prefix(fraction, name), seed), DATA, hr_s2dml(fraction), seed, recipe_of(name, seed))


def prefix(fraction: float, name: str) -> str:
    """The key of the cells of a share and a loss, without the seed."""
    return f"frozen-{round(100 * fraction)}-{name}"


def render(results: Results) -> str:
    """One table for each share: all losses, the paper's values beside ours, and the order of the paper's methods."""
    parts = [_CAPTION]
    for fraction in FRACTIONS:
        if results.measured() and not any(values(results, prefix(fraction, name), _ACCURACY) for name in (UNTRAINED, *LOSSES)):
            missing = f"frozen-{round(100 * fraction)}-*"
            parts.append(f"{round(100 * fraction)} % labelled: not run yet (`make results ARGS=\"--only '{missing}'\"`).")
            continue
        rows = [[title, *_row(results, fraction, name)] for name, title in {UNTRAINED: "No head", **LOSSES}.items()]
        parts.append(markdown_table([f"{round(100 * fraction)} % labelled", *_HEAD], rows))
    return "\n\n".join([*parts, *_order(results)])


_ACCURACY = protocol_b.MEASURES["knn"][1]
_HEAD = [text for title, _ in protocol_b.MEASURES.values() for text in (title, "the paper")]
_CAPTION = f"{WHAT_WAS_RUN} The paper trains all layers of its network."


def _row(results: Results, fraction: float, name: str) -> list[str]:
    found = []
    for measure, (_, pick) in protocol_b.MEASURES.items():
        found += [shown(results, prefix(fraction, name), pick), number(protocol_b.published(measure, name, fraction))]
    return found


def _order(results: Results) -> list[str]:
    lines = []
    for fraction in FRACTIONS:
        found = {name: values(results, prefix(fraction, name), _ACCURACY) for name in protocol_b.METHODS}
        if all(found.values()):
            order = sorted(found, key=lambda name: -sum(found[name]) / len(found[name]))
            names = " > ".join(protocol_b.METHODS[name] for name in order)
            lines.append(f"- Order of the paper's methods by kNN at {round(100 * fraction)} %: {names}")
    return ["\n".join(lines)] if lines else []
