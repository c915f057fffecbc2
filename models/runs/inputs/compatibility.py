"""Check before training that a recipe, its images and its starting model fit together."""

from __future__ import annotations

import numpy as np

from models.backbones.autoencoder import AutoencoderTrunk
from models.export.write_bundle import Bundle
from models.runs.command_line import UsageError
from models.runs.inputs.training_data import TrainingData
from models.training.recipes.recipe import Recipe
from models.training.tasks.metric_learning import recipe_encoder


def fit_recipe(recipe: Recipe, start: Bundle | None) -> Recipe:
    """The recipe with the network of the bundle that it starts from; a matcher also takes its image size.

    Raises:
        UsageError: the recipe needs a bundle to start from.
    """
    if start is None:
        if recipe.task in ("matcher", "siamese"):
            raise UsageError(f"the recipe {recipe.name!r} needs a trained encoder; give --from BUNDLE")
        return recipe
    card = start.card
    fields = {"backbone": card.encoder.name, "width": card.encoder.width, "code": card.encoder.latent}
    size = {"image_size": card.input_size} if recipe.task == "matcher" else {}
    return recipe.model_copy(update={**fields, **size, "dim": card.dimension})


def check_fit(recipe: Recipe, data: TrainingData, start: Bundle | None) -> None:
    """Raise early for combinations that would fail during training.

    Raises:
        UsageError: there are too few images, or the network cannot be built, or not for images of this size.
    """
    if recipe.task != "autoencoder":
        counts = np.bincount(data.labels)
        if len(counts) < 2 or counts.max() < 2:
            raise UsageError("too few labelled images: at least two classes are needed, one of them with two images")
    if recipe.loss.inputs == "joint" and not len(data.unlabelled):
        raise UsageError(f"the recipe {recipe.name!r} needs unlabelled images; give --labelled 0.2, or --unlabelled FOLDER")
    if recipe.loss.inputs != "joint" and recipe.task != "autoencoder" and data.choice.unlabelled:
        raise UsageError(f"the recipe {recipe.name!r} does not use unlabelled images; omit --unlabelled")
    if recipe.task == "matcher" and start is not None and len(start.card.bands) != recipe.bands:
        raise UsageError(f"the encoder takes {len(start.card.bands)} bands, the images have {recipe.bands}; use --bands")
    size = recipe.image_size
    try:
        encoder = recipe_encoder(recipe)
        encoder.map_shape(size)
    except (ValueError, RuntimeError) as error:
        raise UsageError(f"{recipe.backbone} at {size} pixels: {str(error).splitlines()[0]}") from None
    trunk = encoder.trunk
    if recipe.task in ("autoencoder", "siamese"):
        if not isinstance(trunk, AutoencoderTrunk):
            raise UsageError(
                f"the recipe {recipe.name!r} needs an autoencoder, not a {recipe.backbone}; set backbone=resdyad-ae or res-ae"
            )
        if size % trunk.reduction:
            raise UsageError(
                f"the image size {size} is not a multiple of {trunk.reduction}, which this autoencoder needs; set --size"
            )
