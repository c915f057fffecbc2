"""Load recipes by name or from a file (TOML or JSON), with fields changed by `key=value` pairs. Free of torch.

A file has the fields of `Recipe` and may extend a named recipe with `extends = "hr-s2dml"`. Pairs also set fields of tables:
`epochs=5`, `loss.tau=0.1`, `loss.name=triplet`, `augment.rotation=90`, `patience=none`.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from models.training.recipes.named_recipes import OLD_NAMES, RECIPES
from models.training.recipes.recipe import PairSampling, Recipe, RecipeError

__all__ = ["RECIPES", "PairSampling", "Recipe", "RecipeError", "load_recipe", "make_recipe", "named_recipe"]


def make_recipe(fields: Mapping[str, Any], overrides: Iterable[str] = ()) -> Recipe:
    """A recipe from plain fields, which may extend a named recipe, changed by `key=value` pairs.

    Raises:
        RecipeError: an unknown field or recipe, a value out of its range, or fields that contradict each other.
    """
    values = dict(fields)
    if "extends" in values:
        base = named_recipe(str(values.pop("extends"))).model_dump(mode="json")
        values = _merge(base, values)
    for pair in overrides:
        values = _merge(values, _parse_override(pair))
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "recipe"
        raise RecipeError(f"{where}: {first['msg'].removeprefix('Value error, ')}") from error


def named_recipe(name: str, overrides: Iterable[str] = ()) -> Recipe:
    """One of `RECIPES`, changed by `key=value` pairs.

    Raises:
        RecipeError: unknown name, or an invalid pair.
    """
    name = OLD_NAMES.get(name, name)
    if name not in RECIPES:
        raise RecipeError(f"no recipe is called {name!r}; there are {', '.join(sorted(RECIPES))}")
    return make_recipe(RECIPES[name].model_dump(mode="json"), overrides)


def load_recipe(source: str | Path, overrides: Iterable[str] = ()) -> Recipe:
    """A recipe by name, or from a .toml or .json file.

    Raises:
        RecipeError: unknown name, unreadable file, or invalid fields.
    """
    path = Path(source)
    if path.suffix not in (".toml", ".json"):
        return named_recipe(str(source), overrides)
    try:
        text = path.read_text(encoding="utf-8")
        fields = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except (OSError, ValueError) as error:
        raise RecipeError(f"{path}: cannot be read as a recipe: {error}") from error
    if not isinstance(fields, dict):
        raise RecipeError(f"{path}: a recipe must be an object of fields, not a {type(fields).__name__}")
    return make_recipe({"name": path.stem, **fields}, overrides)


def _parse_override(pair: str) -> dict[str, Any]:
    """Parse `a.b=1` to {"a": {"b": 1}}; the value as in TOML, `none` as null, anything else as a string."""
    key, found, text = pair.partition("=")
    if not found or not all(key.split(".")):
        raise RecipeError(f"{pair!r} is not of the form key=value, for example loss.tau=0.1")
    value: Any
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = None if text == "none" else text
    for part in reversed(key.split(".")):
        value = {part: value}
    return dict(value)


def _merge(base: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Merge `changes` into `base`, table by table; a change of the loss drops the fields of the old one."""
    merged = dict(base)
    for key, value in changes.items():
        old = merged.get(key)
        if isinstance(old, dict) and isinstance(value, Mapping) and value.get("name", old.get("name")) == old.get("name"):
            merged[key] = _merge(old, value)
        else:
            merged[key] = value
    return merged
