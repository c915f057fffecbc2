"""Facts of a training run for a bundle's card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from models.bundle.card import Normalisation
from models.bundle.trained_card import EncoderFacts, Facts, Measurement, StartingWeights, TrainingSet
from models.runs.command_line import UsageError
from models.runs.inputs.training_data import TrainingData
from models.training.recipes.recipe import Recipe

BAND_NAMES = {1: ("grey",), 3: ("red", "green", "blue"), 4: ("red", "green", "blue", "nir")}
UNSTATED = "not stated"


@dataclass(frozen=True, slots=True)
class Naming:
    """Descriptions of a model. terms: of the data sets by name, "" for all others. bands: names, () for the default ones."""

    id: str
    title: str = ""
    description: str = ""
    licence: str = ""
    terms: Mapping[str, str] = field(default_factory=dict)
    bands: tuple[str, ...] = ()


def make_facts(
    naming: Naming,
    data: TrainingData,
    recipe: Recipe,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    *,
    encoder: EncoderFacts | None = None,
    base: Facts | None = None,
    weights: Path | None = None,
    metrics: Mapping[str, Measurement] | None = None,
) -> Facts:
    """The facts of a run. encoder: if it is not the recipe's. base: of the bundle that the run started from, for its training
    sets and starting weights, and for a matcher for its encoder's recipe. weights: file of pretrained weights.

    Raises:
        UsageError: a value is not valid in a card.
    """
    is_matcher = recipe.task == "matcher"
    try:
        return Facts(
            id=naming.id,
            title=naming.title,
            description=naming.description,
            licence=naming.licence,
            input_size=recipe.image_size,
            bands=naming.bands or BAND_NAMES.get(recipe.bands) or tuple(f"band{n}" for n in range(1, recipe.bands + 1)),
            normalisation=Normalisation(mean=mean, std=std),
            encoder=encoder or encoder_facts(recipe),
            recipe=base.recipe if is_matcher and base is not None else recipe.model_dump(mode="json"),
            matcher_recipe=recipe.model_dump(mode="json") if is_matcher else None,
            seed=recipe.seed,
            research_only=True if base is not None and base.research_only else None,
            training_sets=_training_sets(naming, data, base),
            starting_weights=_starting_weights(weights, base),
            splits=_splits(data, base),
            metrics=dict(metrics or {}),
        )
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UsageError(f"{where or 'card'}: {first['msg'].removeprefix('Value error, ')}") from None


def encoder_facts(recipe: Recipe) -> EncoderFacts:
    """Facts from which the encoder of a recipe is rebuilt."""
    return EncoderFacts(name=recipe.backbone, width=recipe.width, latent=recipe.code)


def _training_sets(naming: Naming, data: TrainingData, base: Facts | None) -> tuple[TrainingSet, ...]:
    everywhere = naming.terms.get("") or UNSTATED
    sets = [
        TrainingSet(name=name, terms=naming.terms.get(name, everywhere), images=len(data.material.of(name, data.rows)))
        for name in data.material.names
    ]
    if len(data.unlabelled):
        sets.append(TrainingSet(name="without labels", terms=everywhere, images=len(data.unlabelled)))
    names = {each.name for each in sets}
    return (*sets, *(each for each in (base.training_sets if base else ()) if each.name not in names))


def _starting_weights(weights: Path | None, base: Facts | None) -> tuple[StartingWeights, ...]:
    if weights is not None:
        return (StartingWeights(name=weights.name, terms=UNSTATED),)
    return base.starting_weights if base else ()


def _splits(data: TrainingData, base: Facts | None) -> dict[str, Any]:
    """The splits of the run, and under "before" those of the run that it started from."""
    own = data.describe()
    return own if base is None else {**own, "before": base.splits}
