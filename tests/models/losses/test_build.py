"""Every configuration builds its loss, which is called as `inputs` tells; gradient descent on it separates classes."""

from __future__ import annotations

import subprocess
import sys
from typing import get_args

import pytest
import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor, nn
from torch.nn import functional

from models.losses.build import build_loss
from models.losses.configs import LossConfig
from tests.support.losses import batch

CONFIGS: TypeAdapter[LossConfig] = TypeAdapter(LossConfig)
NAMES = (
    *("nsl", "nsl-margin", "hr-s2dml", "triplet", "d-cnn", "contrastive", "robust-nsl", "sphereface", "similarity-retention"),
    *("snca", "proxy-nca", "proxy-anchor", "hard-mining"),
)

CLASSES = get_args(get_args(LossConfig)[0])


def call(loss: nn.Module, inputs: str, embeddings: Tensor, labels: Tensor) -> Tensor:
    """The loss of a batch, with the unlabelled images or indices that it takes."""
    extra = {"joint": (embeddings.flip(0),), "indexed": (torch.arange(len(labels)),)}.get(inputs, ())
    value: Tensor = loss(embeddings, labels, *extra)
    return value


@pytest.mark.parametrize("config", CLASSES)
def test_every_configuration_builds_the_class_that_it_names(config: type[LossConfig]) -> None:
    loss = build_loss(config(), num_classes=4, dim=8, num_images=5)
    assert f"{type(loss).__module__}:{type(loss).__name__}" == config.implementation


def test_every_loss_of_embeddings_is_tested_here() -> None:
    embeddings = {config().name for config in CLASSES if config.inputs not in ("pairs", "images")}
    assert embeddings == set(NAMES)


def test_configurations_do_not_import_torch() -> None:
    check = "import models.losses.configs, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


@pytest.mark.parametrize("name", NAMES)
def test_descent_separates_the_classes(name: str) -> None:
    torch.manual_seed(0)
    config = CONFIGS.validate_python({"name": name})
    rows, labels = batch(24, dim=8)
    rows.requires_grad_()
    loss = build_loss(config, num_classes=4, dim=8, num_images=24)
    optimiser = torch.optim.SGD([rows, *loss.parameters()], lr=0.05, momentum=0.9)

    def gap() -> float:
        """Mean cosine within classes minus mean cosine between classes."""
        unit = functional.normalize(rows.detach(), dim=1)
        same = labels[:, None] == labels[None, :]
        return float((unit @ unit.T)[same].mean() - (unit @ unit.T)[~same].mean())

    before = gap()
    for _ in range(60):
        optimiser.zero_grad()
        torch.autograd.backward(call(loss, config.inputs, functional.normalize(rows, dim=1), labels))
        optimiser.step()
    assert gap() > before + 0.1


def test_matcher_and_autoencoder_losses_are_built() -> None:
    pairs = build_loss(CONFIGS.validate_python({"name": "pair-ce"}), num_classes=2, dim=4, num_images=8)
    assert pairs(torch.zeros(3, 2), torch.tensor([0, 1, 1])).item() == pytest.approx(0.6931472)
    images = build_loss(CONFIGS.validate_python({"name": "mse"}), num_classes=2, dim=4, num_images=8)
    assert images(torch.ones(1, 1, 2, 2), torch.zeros(1, 1, 2, 2)).item() == 1


def test_parameters_reach_the_module() -> None:
    config = CONFIGS.validate_python({"name": "snca", "momentum": 0.9})
    loss = build_loss(config, num_classes=4, dim=8, num_images=5)
    assert loss.get_buffer("bank").shape == (5, 8)
    assert loss.momentum == 0.9


@pytest.mark.parametrize("fields", [{"name": "nsl", "margin": 0.5}, {"name": "nsl", "tau": 0.0}, {"name": "softmax"}, {}])
def test_unknown_losses_and_parameters_are_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        CONFIGS.validate_python(fields)
