"""Describe a named recipe for a program that prepares its images, as one line of JSON.

    python -m models.runs.describe --set epochs=5 -- hr-s2dml

The line holds `result`, or `error` for an unknown recipe or an invalid setting. Free of torch.
"""

from __future__ import annotations

import argparse
import json
import sys

from models.training.recipes.load import RecipeError, named_recipe
from models.training.recipes.recipe import Recipe


def main() -> int:
    """The program; returns its exit status."""
    parser = argparse.ArgumentParser("python -m models.runs.describe", description=__doc__)
    parser.add_argument("recipe")
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE")
    options = parser.parse_args()
    line: dict[str, object]
    try:
        line, status = {"result": describe(named_recipe(options.recipe, options.overrides))}, 0
    except RecipeError as error:
        line, status = {"error": str(error)}, 1
    sys.stdout.write(json.dumps(line) + "\n")
    return status


def describe(recipe: Recipe) -> dict[str, object]:
    """image_size: pixels per side. may_start, needs_start: whether training may or must start from a bundle's encoder.
    unlabelled: whether it uses unlabelled images."""
    needs_start = recipe.task in ("matcher", "siamese")
    return {
        "image_size": recipe.image_size,
        "may_start": needs_start or recipe.task == "embedding",
        "needs_start": needs_start,
        "unlabelled": recipe.task == "autoencoder" or recipe.loss.inputs == "joint",
    }


if __name__ == "__main__":
    sys.exit(main())
