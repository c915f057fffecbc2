"""Tiny networks whose batch norms have seen data, so that graphs of them have something to get wrong."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from models.backbones.encoder import Encoder
from models.backbones.registry import build_encoder
from models.bundle.card import Normalisation
from models.bundle.trained_card import EncoderFacts, Facts, Measurement, TrainingSet
from models.export.write_bundle import Matcher
from models.matcher.quantise import fit_quantisation
from models.matcher.split import SplitMatcher
from models.training.recipes.load import named_recipe

SIZE = 64
BANDS = ("red", "green", "blue", "nir")
MEAN, STD = (0.4, 0.5, 0.6, 0.3), (0.2, 0.25, 0.3, 0.1)
FIXED_WIDTH = ("googlenet", "efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2")
WIDTH = 8


def make_encoder(name: str = "resnet18", bands: int = len(BANDS)) -> Encoder:
    torch.manual_seed(0)
    encoder = build_encoder(name, bands=bands, dimension=16, width=64 if name in FIXED_WIDTH else WIDTH)
    with torch.no_grad():
        # A deep new network forgets its input; only batch norms that have seen some bring it through to the map.
        for module in encoder.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = None
        for _ in range(2):
            encoder(torch.randn(4, bands, SIZE, SIZE))
    return encoder.eval()


def make_matcher(encoder: Encoder) -> Matcher:
    shape = encoder.map_shape(SIZE)
    torch.manual_seed(1)
    network = SplitMatcher(shape, hidden=8, head=4)
    with torch.no_grad():
        maps = encoder(torch.randn(8, encoder.bands, SIZE, SIZE)).map
        network(maps, maps.flip(0))
        stored = fit_quantisation(network.candidate_half(maps))
    return Matcher(network.eval(), stored)


def make_facts(id: str = "tiny", bands: int = len(BANDS), encoder: str = "resnet18", **changes: Any) -> Facts:
    fields: dict[str, Any] = {
        "id": id,
        "licence": "Apache-2.0",
        "input_size": SIZE,
        "bands": BANDS[:bands],
        "normalisation": Normalisation(mean=MEAN[:bands], std=STD[:bands]),
        "encoder": EncoderFacts(name=encoder, width=64 if encoder in FIXED_WIDTH else WIDTH),
        "recipe": named_recipe("nsl"),
        "seed": 7,
        "training_sets": (TrainingSet(name="Noise", terms="free for all", images=8),),
        "splits": {"train": 0.8, "test": 0.2},
        "metrics": {"noise": Measurement(protocol="8 noises against each other", values={"mAP": 12.5})},
    }
    return Facts(**(fields | changes))


def random_tiles(count: int, bands: int = len(BANDS), seed: int = 1) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, SIZE, SIZE, bands), dtype=np.uint8)


def copy_bundle(source: Path, target: Path) -> Path:
    """A copy to tamper with."""
    shutil.copytree(source, target)
    return target
