"""Recipes hold the papers' values, come from names and files, and refuse what they do not know."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from models.losses.configs import HrS2dmlConfig, TripletConfig
from models.training.recipes.augmentation import Augmentation
from models.training.recipes.load import RECIPES, Recipe, RecipeError, load_recipe, make_recipe, named_recipe

HR_AND_COMPARED = ("hr-s2dml", "nsl", "nsl-margin", "triplet", "d-cnn", "snca", "robust-nsl", "proxy-anchor")


@pytest.mark.parametrize("name", HR_AND_COMPARED)
def test_hr_s2dml_and_what_it_is_compared_with_share_section_4_3(name: str) -> None:
    recipe = RECIPES[name]
    assert (recipe.backbone, recipe.image_size, recipe.dim) == ("resnet18", 256, 128)
    assert (recipe.optimiser, recipe.lr, recipe.schedule, recipe.decay, recipe.decay_every) == ("sgd", 1e-3, "step", 0.5, 30)
    assert (recipe.batch_size, recipe.epochs, recipe.patience) == (256, 100, None)
    assert recipe.augment.horizontal_flip
    assert recipe.augment.greyscale
    assert recipe.augment.brightness


def test_hr_s2dml_has_its_parameters() -> None:
    loss = RECIPES["hr-s2dml"].loss
    assert isinstance(loss, HrS2dmlConfig)
    assert (loss.tau, loss.margin, loss.weight) == (0.05, 0.5, 1.0)
    assert RECIPES["hr-s2dml"].unlabelled_batch_size == 256
    triplet = RECIPES["triplet"].loss
    assert isinstance(triplet, TripletConfig)
    assert triplet.margin == 0.2


@pytest.mark.parametrize("name", ["resdyad-ae", "res-ae", "resdyad-dml", "res-dml", "siamese"])
def test_residual_dyad_has_section_4(name: str) -> None:
    recipe = RECIPES[name]
    assert (recipe.optimiser, recipe.lr, recipe.decay, recipe.patience) == ("sgd", 1e-3, 0.2, 10)


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_every_recipe_survives_json(name: str) -> None:
    recipe = RECIPES[name]
    assert recipe.name == name
    assert make_recipe(json.loads(recipe.model_dump_json())) == recipe


def test_recipes_do_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        setattr(RECIPES["nsl"], "epochs", 3)  # noqa: B010 - mypy knows it is read-only


def test_overrides_reach_every_kind_of_field() -> None:
    pairs = ["epochs=5", "loss.tau=0.1", "augment.crop_scale=[0.5, 1.0]", "patience=7", "precision=bf16", "nesterov=false"]
    recipe = named_recipe("nsl-margin", pairs)
    assert (recipe.epochs, recipe.patience, recipe.precision, recipe.nesterov) == (5, 7, "bf16", False)
    assert recipe.loss.model_dump() == {"name": "nsl-margin", "tau": 0.1, "margin": 0.5}
    assert recipe.augment.crop_scale == (0.5, 1.0)
    assert recipe.augment.greyscale == RECIPES["nsl-margin"].augment.greyscale
    assert named_recipe("siamese", ["patience=none"]).patience is None


def test_another_loss_brings_its_own_defaults() -> None:
    recipe = named_recipe("hr-s2dml", ["loss.name=triplet", "unlabelled_batch_size=0", "loss.mining=hard"])
    assert recipe.loss == TripletConfig(mining="hard")


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (["epoch=5"], "epoch: Extra inputs"),
        (["loss.taus=1"], "taus: Extra inputs"),
        (["augment.flip=1"], "augment.flip: Extra inputs"),
        (["lr=fast"], "lr: Input should be a valid number"),
        (["lr=-1"], "lr: Input should be greater than 0"),
        (["epochs"], "not of the form key=value"),
        (["loss.=1"], "not of the form key=value"),
        (["loss.name=softmax"], "loss: Input tag 'softmax'"),
        (["loss.name=mse"], "'mse' does not fit the task"),
        (["loss.name=hr-s2dml"], "needs unlabelled_batch_size"),
        (["unlabelled_batch_size=8"], "needs unlabelled_batch_size 0"),
        (["batch_size=10", "samples_per_class=4"], "not a multiple"),
        (["warmup_epochs=100"], "must be below epochs"),
        (["augment.crop_scale=[0.9, 0.5]"], "above the maximum"),
    ],
)
def test_wrong_overrides_are_refused_by_name(pairs: list[str], message: str) -> None:
    with pytest.raises(RecipeError) as error:
        named_recipe("nsl", pairs)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_files_extend_named_recipes(tmp_path: Path) -> None:
    toml = tmp_path / "small-hr.toml"
    toml.write_text(
        'extends = "hr-s2dml"\nname = "small-hr"\nwidth = 16\n[loss]\nmargin = 0.2\n[augment]\nquarter_turns = true\n'
    )
    recipe = load_recipe(toml, ["epochs=2"])
    assert (recipe.name, recipe.width, recipe.epochs) == ("small-hr", 16, 2)
    assert recipe.loss == HrS2dmlConfig(margin=0.2)
    assert recipe.augment.quarter_turns
    assert recipe.augment.greyscale == 0.2
    as_json = tmp_path / "again.json"
    as_json.write_text(recipe.model_dump_json())
    assert load_recipe(str(as_json)) == recipe


def test_a_file_without_a_name_gets_its_own(tmp_path: Path) -> None:
    toml = tmp_path / "mine.toml"
    toml.write_text('[loss]\nname = "nsl"\n')
    assert load_recipe(toml) == Recipe(name="mine", loss=RECIPES["nsl"].loss)
    toml.write_text('extends = "nsl"\nepochs = 3\n')
    assert load_recipe(toml).name == "mine"


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("a.toml", "epochs = ", "cannot be read as a recipe"),
        ("a.json", "[1]", "object of fields, not a list"),
        ("a.toml", 'extends = "nothing"', "there are contrastive"),
        ("a.toml", "epochs = 3", "loss: Field required"),
        ("missing.json", None, "cannot be read as a recipe"),
        ("nothing", None, "no recipe is called"),
    ],
)
def test_files_that_are_no_recipes_are_refused(tmp_path: Path, file: str, text: str | None, message: str) -> None:
    path = tmp_path / file
    if text is not None:
        path.write_text(text)
    with pytest.raises(RecipeError, match=message):
        load_recipe(path if text is not None or path.suffix else file)


def test_the_default_augmentation_changes_nothing() -> None:
    nothing = Augmentation()
    assert nothing.crop_scale == (1.0, 1.0)
    assert not any(value for name, value in nothing if name not in ("crop_scale", "crop_ratio", "blur_sigma"))


def test_recipes_are_free_of_torch() -> None:
    code = "import sys, models.training.recipes.load; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
