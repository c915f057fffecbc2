"""Features of the images for each row of protocol A: vectors for the cosine, maps for the matchers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from models.backbones.autoencoder import Autoencoder
from models.backbones.encoder import Encoder
from models.backbones.trunk import Trunk
from models.data.cache import load_pixels
from models.data.folders import list_images
from models.data.splits import k_folds
from models.data.statistics import band_statistics
from models.evaluation.protocols import RESIDUAL_DYAD_FOLDS
from models.matcher.maps import vectors_to_maps
from models.matcher.split import SplitMatcher
from models.papers.experiments import CHECKPOINT_EVERY, EpochMessages
from models.papers.hand_crafted.codebooks import fit_fisher, fit_vlad
from models.papers.hand_crafted.descriptors import dense_sift, describe_all, hog, lbp_rgb
from models.papers.protocol_a import budget as budgets
from models.papers.results import Context
from models.runs.inputs.material import Material, load_material
from models.runs.networks.run_options import RunOptions
from models.runs.networks.train_autoencoder import TrainedAutoencoder, train_autoencoder
from models.runs.networks.train_embedder import TrainedEncoder, TrainingImages, train_embedder
from models.runs.networks.train_matcher import encode_views
from models.runs.networks.train_siamese import train_siamese
from models.training.encoding import Encoded, encode_images
from models.training.recipes.recipe import Recipe
from models.training.transforms import Preparation

HandCrafted = Literal["hog", "lbp-rgb"]
Aggregated = Literal["sift-vlad", "sift-fv"]
_DESCRIBE = {"hog": hog, "lbp-rgb": lbp_rgb}
_SMALLEST_DEVIATION = 1e-6


@dataclass(frozen=True, slots=True)
class Bench:
    """Folders, budget and split of a cell.

    fraction: share of training images of each class. fold: one of five, instead of the share; None for the share.
    """

    context: Context
    budget: budgets.Budget
    fraction: float = 0.8
    fold: int | None = None

    def material(self, size: int) -> Material:
        """UC Merced, decoded and split."""
        folders = {"ucmerced": self.context.data / "ucmerced"}
        material = load_material(folders, size, self.context.cache, train_fraction=self.fraction, seed=self.budget.seed)
        if self.fold is None:
            return material
        split = k_folds(material.labels, material.images.groups, RESIDUAL_DYAD_FOLDS, self.budget.seed)[self.fold]
        return replace(material, train=split.train, test=split.test)

    def run(self, name: str, recipe: Recipe, more: Mapping[str, Any] | None = None) -> RunOptions:
        """Options of a run: checkpoints and messages. more: settings that it depends on, besides the recipe."""
        settings = {"recipe": recipe.model_dump(mode="json"), **(more or {})}
        teller = EpochMessages(self.context.say, f"  {name}", recipe.epochs)
        return RunOptions(self._folder(name, settings), [teller], CHECKPOINT_EVERY)

    def _folder(self, name: str, settings: Mapping[str, Any]) -> Path:
        """Folder of checkpoints, different for other settings or another split."""
        settings = {**settings, "fraction": self.fraction, "fold": self.fold, "split": self.budget.seed}
        digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
        return self.context.work / "protocol-a" / f"{name}-{digest[:10]}"


@dataclass(frozen=True, slots=True)
class Features:
    """Features of one row.

    whole: of all N images of `material`; embeddings are (N, D), L2-normalised, maps None if no matcher uses them.
    training: views of `material.train`. matcher: a trained one.
    """

    material: Material
    whole: Encoded
    training: tuple[Encoded, ...] = ()
    matcher: SplitMatcher | None = None


def handcrafted(bench: Bench, name: HandCrafted) -> Features:
    """HoG or LBP-RGB; their maps are the vectors, standardised by the training images and reshaped."""
    material = bench.material(budgets.DESCRIPTOR_SIZE)
    vectors = np.asarray(describe_all(_DESCRIBE[name], material.pixels, bench.context.cache), dtype=np.float32)
    known = vectors[material.train]
    standard = (vectors - known.mean(axis=0)) / np.maximum(known.std(axis=0), _SMALLEST_DEVIATION)
    whole = Encoded(_unit(vectors), vectors_to_maps(torch.from_numpy(standard), bench.budget.map_size).half().numpy())
    return Features(material, whole, (_take(whole, material.train),))


def aggregated(bench: Bench, name: Aggregated) -> Features:
    """Dense SIFT as VLAD or Fisher vectors, their codebooks from the training images."""
    material = bench.material(budgets.DESCRIPTOR_SIZE)
    descriptors = describe_all(dense_sift, material.pixels, bench.context.cache)
    known, seed = descriptors[material.train], bench.budget.seed
    if name == "sift-vlad":
        vectors = fit_vlad(known, budgets.WORDS, seed).encode(descriptors)
    else:
        vectors = fit_fisher(known, budgets.WORDS, budgets.DIMENSIONS, seed).encode(descriptors)
    return Features(material, Encoded(vectors, None))


def supervised(bench: Bench, name: budgets.Supervised) -> Features:
    """A network trained on the labels of the training images: its embedding, and its last map."""
    recipe = bench.budget.supervised[name]
    material = bench.material(recipe.image_size)
    mean, std = band_statistics(material.pixels, material.train)
    nothing = np.zeros(0, np.int64)
    images = TrainingImages(material.pixels, material.train, material.labels[material.train], nothing, mean, std)
    trained = train_embedder(recipe, images, bench.run(name, recipe))
    return _look(bench, material, trained)


def unsupervised(bench: Bench, backbone: budgets.Autoencoder, stage: budgets.Stage) -> Features:
    """An autoencoder's code: as a map, and flattened."""
    trained = autoencoder(bench, backbone, stage)
    material = bench.material(bench.budget.autoencoder[backbone].image_size)
    seen = _as_encoder(trained.network, trained.network.encoder, trained.preparation)
    look = _look(bench, material, seen)
    return replace(look, whole=_flattened(look.whole), training=tuple(map(_flattened, look.training)))


def siamese(bench: Bench) -> Features:
    """Encoder and matcher end to end, starting from the ResDyadAE trained on AID, on pairs of training images."""
    recipe = bench.budget.siamese
    start = autoencoder(bench, "resdyad-ae", "aid")
    material = bench.material(recipe.image_size)
    labels = material.labels[material.train]
    run = bench.run("siamese", recipe, {"after": bench.budget.autoencoder_recipe("resdyad-ae", "aid").model_dump(mode="json")})
    trained = train_siamese(recipe, start.network, material.pixels, material.train, labels, run)
    seen = _as_encoder(trained.network, trained.network.trunk, trained.preparation)
    whole = encode_images(seen.encoder, seen.preparation, material.pixels, _all(material), with_maps=True)
    return Features(material, _flattened(whole), matcher=SplitMatcher.from_matcher(trained.network.matcher))


def autoencoder(bench: Bench, backbone: budgets.Autoencoder, stage: budgets.Stage) -> TrainedAutoencoder:
    """An autoencoder, trained once and loaded by every cell that needs it."""
    recipe = bench.budget.autoencoder_recipe(backbone, stage)
    settings: dict[str, Any] = {}
    start: Autoencoder | None = None
    if stage == "finetuned":
        start = autoencoder(bench, backbone, "aid").network
        settings["after"] = bench.budget.epochs["aid"]
    if stage == "aid":
        bench = Bench(bench.context, bench.budget)  # the same for every split of UC Merced
        images = list_images(bench.context.data / "aid")
        pixels, rows = load_pixels(images, recipe.image_size, bench.context.cache), np.arange(len(images))
    else:
        material = bench.material(recipe.image_size)
        pixels, rows = material.pixels, material.train
    return train_autoencoder(recipe, pixels, rows, bench.run(f"{backbone}-{stage}", recipe, settings), start=start)


def _look(bench: Bench, material: Material, trained: TrainedEncoder) -> Features:
    """All images without augmentation, and augmented views of the training images."""
    whole = encode_images(trained.encoder, trained.preparation, material.pixels, _all(material), with_maps=True)
    views = encode_views(trained, material.pixels, material.train, bench.budget.views)
    return Features(material, whole, tuple(views))


def _as_encoder(task: nn.Module, trunk: Trunk, preparation: Preparation) -> TrainedEncoder:
    """An encoder of a trunk without a trained head; only its map is used, its embedding has no meaning."""
    return TrainedEncoder(task, Encoder(trunk).eval(), preparation, "finished")


def _flattened(encoded: Encoded) -> Encoded:
    """The same with the flattened maps as embeddings."""
    if encoded.maps is None:
        raise ValueError("there are no maps to flatten; encode with with_maps=True")
    return Encoded(_unit(encoded.maps.reshape(len(encoded.maps), -1).astype(np.float32)), encoded.maps)


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, _SMALLEST_DEVIATION), dtype=np.float32)


def _take(encoded: Encoded, rows: NDArray[np.int64]) -> Encoded:
    return Encoded(encoded.embeddings[rows], None if encoded.maps is None else encoded.maps[rows])


def _all(material: Material) -> NDArray[np.int64]:
    return np.arange(len(material.labels))
