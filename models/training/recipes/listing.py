"""List the named recipes for people. Free of torch."""

from __future__ import annotations

from models.training.recipes.named_recipes import RECIPES


def list_recipes() -> list[str]:
    """One line for each recipe: name, task, network and image size, and loss."""
    lines = []
    for recipe in RECIPES.values():
        loss = (type(recipe.loss).__doc__ or "").split("\n\n")[0].split(". ")[0].split(";")[0].split(":\n")[0]
        network = f"{recipe.backbone}, {recipe.image_size} px"
        lines.append(f"{recipe.name:21} {recipe.task:12} {network:22} {' '.join(loss.split()).rstrip('.')}")
    return lines
