"""Training of an autoencoder to reconstruct its input (residual-dyad, equation 5), without labels."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from models.backbones.autoencoder import Autoencoder, ResAE, ResDyadAE
from models.data.batches import ImageBatch
from models.losses.build import build_loss
from models.training.loop.task import Task
from models.training.recipes.recipe import Recipe
from models.training.transforms import Preparation


class AutoencodingTask(Task[ImageBatch]):
    """`loss(reconstruction, image)`, in normalised units, on images that are augmented in training mode."""

    def __init__(self, autoencoder: Autoencoder, loss: nn.Module, preparation: Preparation) -> None:
        super().__init__()
        self.preparation, self.autoencoder, self.loss = preparation, autoencoder, loss

    def step(self, batch: ImageBatch) -> dict[str, Tensor]:
        """The loss of N images."""
        images = self.preparation(batch.images)
        return {"loss": self.loss(self.autoencoder(images).float(), images)}


def autoencoding_task(recipe: Recipe, *, mean: Sequence[float], std: Sequence[float]) -> AutoencodingTask:
    """The task of a recipe, initialised from torch's global generator; mean, std: of the bands, 0..1 scale.

    Raises:
        ValueError: the recipe does not train an autoencoder.
    """
    kinds: dict[str, type[ResDyadAE] | type[ResAE]] = {"resdyad-ae": ResDyadAE, "res-ae": ResAE}
    if recipe.task != "autoencoder" or recipe.backbone not in kinds:
        raise ValueError(
            f"the recipe {recipe.name!r} with task {recipe.task!r} and backbone {recipe.backbone!r} is not for an autoencoder"
        )
    autoencoder = kinds[recipe.backbone](recipe.code, width=recipe.width, bands=recipe.bands)
    loss = build_loss(recipe.loss, num_classes=0, dim=0, num_images=0)
    return AutoencodingTask(autoencoder, loss, Preparation(mean, std, recipe.augment))
