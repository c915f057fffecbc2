"""Protocol A: the tables of the residual-dyad paper on UC Merced, as cells.

80 % of each class are training images, the others query, and all images except the query are ranked. Each row has three
rankings: by the cosine of its vectors (the paper's Euclidean column: for unit vectors the order is the same), by a matcher that
scores every pair (the paper's DML column), and by the cosine with the first 100 re-ranked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.evaluation.metrics.ranking import Neighbours, nearest
from models.evaluation.metrics.rerank import two_stage
from models.evaluation.metrics.retrieval import retrieval_metrics, score_metrics
from models.evaluation.protocols import RESIDUAL_DYAD_FOLDS, RESIDUAL_DYAD_FRACTIONS, Selection, residual_dyad
from models.matcher.kinds import PairNetwork
from models.papers.protocol_a import features
from models.papers.protocol_a.budget import (
    AUTOENCODERS,
    DEPTH,
    DESCRIPTOR_SIZE,
    DIMENSIONS,
    MATCHERS,
    STAGES,
    SUPERVISED,
    WEIGHT,
    WORDS,
    Autoencoder,
    Budget,
    Matcher,
    Stage,
    budget_of,
)
from models.papers.protocol_a.features import Bench, Features
from models.papers.protocol_a.imagenet import imagenet
from models.papers.protocol_a.imagenet import settings as imagenet_settings
from models.papers.results import Cell, Context
from models.runs.networks.train_matcher import shortlist_log_odds, train_matcher
from models.training.recipes.recipe import Recipe

Make = Callable[[Bench], Features]
HAND_CRAFTED: tuple[features.HandCrafted, ...] = ("hog", "lbp-rgb")
AGGREGATED: tuple[features.Aggregated, ...] = ("sift-vlad", "sift-fv")


def cells(scale: str) -> list[Cell]:
    """Table II, whose ResDyadAE is a cell of Table I; Table III's other rows; the rest of Table I; figures 10 and 7."""
    budget = budget_of(scale)
    ours = table1_cell(budget, "resdyad-ae", "finetuned", "resdyad-dml")
    pairs = [(backbone, stage, matcher) for stage in reversed(STAGES) for backbone in AUTOENCODERS for matcher in MATCHERS]
    rest = [cell for each in pairs if (cell := table1_cell(budget, *each)).key != ours.key]
    fractions = [dyad_cell(budget, f"a-fig10-{round(100 * share)}", fraction=share) for share in RESIDUAL_DYAD_FRACTIONS]
    folds = [dyad_cell(budget, f"a-fig7-fold{fold + 1}", fold=fold) for fold in range(RESIDUAL_DYAD_FOLDS)]
    return [*table2_cells(budget), ours, *imagenet_cells(budget), *table3_cells(budget), *rest, *fractions, *folds]


def table1_key(backbone: str, stage: str, matcher: str) -> str:
    """The key of the cell of an autoencoder and a matcher."""
    return f"a-table1-{backbone}-{stage}-{matcher}"


def table1_cell(budget: Budget, backbone: Autoencoder, stage: Stage, matcher: Matcher) -> Cell:
    """An autoencoder and a matcher on its code."""
    recipes: dict[str, Any] = {"encoder": budget.autoencoder_recipe(backbone, stage)}
    if stage == "finetuned":
        recipes["start"] = budget.autoencoder_recipe(backbone, "aid")
    make = partial(features.unsupervised, backbone=backbone, stage=stage)
    return _cell(budget, table1_key(backbone, stage, matcher), make, matcher, recipes)


def table2_cells(budget: Budget) -> list[Cell]:
    """Hand-crafted and supervised rows, each with ResDyadDML; Siamese, with its own matcher."""
    found, settings = [], {"pixels": DESCRIPTOR_SIZE, "map_size": budget.map_size}
    for name in HAND_CRAFTED:
        make = partial(features.handcrafted, name=name)
        found.append(_cell(budget, f"a-table2-{name}", make, "resdyad-dml", settings))
    for network in SUPERVISED:
        make = partial(features.supervised, name=network)
        found.append(_cell(budget, f"a-table2-{network}", make, "resdyad-dml", {"encoder": budget.supervised[network]}))
    start = budget.autoencoder_recipe("resdyad-ae", "aid")
    found.append(_cell(budget, "a-table2-siamese", features.siamese, None, {"encoder": budget.siamese, "start": start}))
    return found


def imagenet_cells(budget: Budget, make: Callable[..., Features] = imagenet) -> list[Cell]:
    """Rows that are not in the paper's Table II: EfficientNet-Lite0 with ImageNet weights, as it is, and taught the classes."""
    names = {"a-table2-imagenet": False, "a-table2-imagenet-taught": True}
    return [
        _cell(budget, key, partial(make, taught=taught), "resdyad-dml", imagenet_settings(taught=taught))
        for key, taught in names.items()
    ]


def table3_cells(budget: Budget) -> list[Cell]:
    """Dense SIFT, ranked by the cosine only."""
    settings = {"pixels": DESCRIPTOR_SIZE, "words": WORDS, "dimensions": DIMENSIONS}
    return [_cell(budget, f"a-table3-{name}", partial(features.aggregated, name=name), None, settings) for name in AGGREGATED]


def dyad_cell(budget: Budget, key: str, *, fraction: float = RESIDUAL_DYAD_FRACTIONS[0], fold: int | None = None) -> Cell:
    """ResDyadDML on the ResDyadAE trained on AID only, which does not depend on the split of UC Merced."""
    recipes = {"encoder": budget.autoencoder_recipe("resdyad-ae", "aid")}
    make = partial(features.unsupervised, backbone="resdyad-ae", stage="aid")
    return _cell(budget, key, make, "resdyad-dml", recipes, fraction=fraction, fold=fold)


def measure(bench: Bench, look: Features, recipe: Recipe | None, settings: Mapping[str, Any]) -> dict[str, Any]:
    """All rankings of one row.

    recipe: of its matcher, None if it has a trained one, or none. settings: all that the matcher depends on.
    """
    material, embeddings = look.material, look.whole.embeddings
    chosen = residual_dyad(bench.fraction).selection(material.train, material.test)
    queries, database, own = embeddings[chosen.queries], embeddings[chosen.database], chosen.own
    names = np.array(material.images.classes)[material.labels]
    wanted, stored = names[chosen.queries], names[chosen.database]
    euclid = retrieval_metrics(queries, wanted, database, stored, exclude_self=True, own=own)
    values: dict[str, Any] = {"euclid": euclid.to_dict()}
    matcher: PairNetwork | None = look.matcher
    if recipe is not None:
        labels = material.labels[material.train]
        matcher = train_matcher(recipe, look.training, labels, bench.run(f"{settings['key']}-matcher", recipe, settings))
    if matcher is None:
        return values
    log_odds = _all_log_odds(matcher, look, chosen)
    values["matcher"] = score_metrics(log_odds, wanted, stored, own=own).to_dict()
    shortlist = nearest(queries, database, DEPTH, own=own)
    first = np.take_along_axis(log_odds, shortlist.indices, axis=1)
    values["two_stage"] = two_stage(queries, wanted, database, stored, shortlist, first, own=own).to_dict()
    return values


def _all_log_odds(matcher: PairNetwork, look: Features, chosen: Selection) -> NDArray[np.float32]:
    """(Q, N): the matcher's log-odds for every query and every image of the database."""
    maps = look.whole.maps
    if maps is None:
        raise ValueError("a matcher needs maps; this row has none")
    everything = np.broadcast_to(np.arange(len(chosen.database)), (len(chosen.queries), len(chosen.database)))
    whole = Neighbours(everything, np.zeros(everything.shape, np.float32))
    return shortlist_log_odds(matcher, None, maps[chosen.queries], maps[chosen.database], whole)


def _cell(
    budget: Budget,
    key: str,
    make: Make,
    matcher: Matcher | None,
    settings: Mapping[str, Any],
    *,
    fraction: float = RESIDUAL_DYAD_FRACTIONS[0],
    fold: int | None = None,
) -> Cell:
    recipe = None if matcher is None else budget.matcher[matcher]
    plain = {name: value.model_dump(mode="json") if isinstance(value, Recipe) else value for name, value in settings.items()}
    split = {"fraction": fraction} if fold is None else {"fold": fold, "folds": RESIDUAL_DYAD_FOLDS}
    if recipe is not None:
        plain |= {"matcher": recipe.model_dump(mode="json"), "views": budget.views}
    plain |= {"data": "ucmerced", "split_seed": budget.seed, "depth": DEPTH, "weight": WEIGHT, **split}

    def run(context: Context) -> dict[str, Any]:
        bench = Bench(context, budget, fraction, fold)
        return measure(bench, make(bench), recipe, {"key": key, **plain})

    return Cell(key, plain, run)
