"""Autoencoders, and Siamese networks that begin from them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models.backbones.autoencoder import ResDyadAE
from models.runs.networks.run_options import RunOptions
from models.runs.networks.train_autoencoder import train_autoencoder
from models.runs.networks.train_siamese import train_siamese
from models.training.loop.callbacks import Callback, EpochReport
from models.training.recipes.load import named_recipe
from models.training.recipes.recipe import PairSampling

SMALL = ["width=8", "code=8x8x20", "batch_size=4", "image_size=32", "patience=none"]
AUTOENCODER = named_recipe("resdyad-ae", [*SMALL, "epochs=2"])
SIAMESE = named_recipe("siamese", [*SMALL, "epochs=1", "pairs.hard=0.0"])


@pytest.fixture
def pixels() -> NDArray[np.uint8]:
    """Twelve images, light and dark ones in turn."""
    random = np.random.default_rng(0)
    base = np.where(np.arange(12) % 2, 200, 40)[:, None, None, None]
    return np.asarray(base + random.integers(-20, 20, (12, 32, 32, 3)), dtype=np.uint8)


def test_a_run_that_is_done_is_only_read_again(pixels: NDArray[np.uint8], tmp_path: Path) -> None:
    rows = np.arange(8)
    first = train_autoencoder(AUTOENCODER, pixels, rows, RunOptions(tmp_path))
    again = train_autoencoder(AUTOENCODER, pixels, rows, RunOptions(tmp_path))
    assert first.reason == again.reason == "finished"
    assert not first.network.training
    for name, value in first.network.state_dict().items():
        torch.testing.assert_close(again.network.state_dict()[name], value)


def test_fine_tuning_begins_with_the_weights_of_another_run(pixels: NDArray[np.uint8]) -> None:
    torch.manual_seed(3)
    start = ResDyadAE("8x8x20", width=8)
    slow = AUTOENCODER.model_copy(update={"lr": 1e-9, "epochs": 1})
    tuned = train_autoencoder(slow, pixels, np.arange(8), RunOptions(), start=start)
    weights = dict(tuned.network.named_parameters())
    for name, value in start.named_parameters():
        torch.testing.assert_close(weights[name], value, atol=1e-5, rtol=1e-5)
    assert tuned.network is not start


def test_a_siamese_network_learns_end_to_end(pixels: NDArray[np.uint8], tmp_path: Path) -> None:
    torch.manual_seed(3)
    start = ResDyadAE("8x8x20", width=8)
    before = {name: value.clone() for name, value in start.state_dict().items()}
    trained = train_siamese(SIAMESE, start, pixels, np.arange(12), np.arange(12) % 2, RunOptions(tmp_path))
    first = trained.network.trunk.get_parameter("stem.0.weight")
    assert not torch.equal(first, start.encoder.get_parameter("stem.0.weight"))
    assert all(torch.equal(before[name], value) for name, value in start.state_dict().items())


def test_a_recipe_with_hard_pairs_trains_no_siamese_network(pixels: NDArray[np.uint8]) -> None:
    hard = SIAMESE.model_copy(update={"pairs": PairSampling()})
    with pytest.raises(ValueError, match="hard pairs"):
        train_siamese(hard, ResDyadAE("8x8x20", width=8), pixels, np.arange(12), np.arange(12) % 2, RunOptions())


class Epochs(Callback):
    """Keeps the reports of all epochs."""

    def __init__(self) -> None:
        self.reports: list[EpochReport] = []

    def on_epoch(self, report: EpochReport) -> None:
        self.reports.append(report)


def test_early_stopping_watches_the_loss_on_validation_images(pixels: NDArray[np.uint8], tmp_path: Path) -> None:
    torch.manual_seed(3)
    held, epochs, pairs = np.arange(8, 12), Epochs(), Epochs()
    recipe = AUTOENCODER.model_copy(update={"patience": 5})
    trained = train_autoencoder(recipe, pixels, np.arange(8), RunOptions(tmp_path, callbacks=[epochs]), validation=held)
    assert [set(report.metrics) for report in epochs.reports] == [{"validation_loss"}] * 2
    watched = [report.watched for report in epochs.reports]
    assert watched == [report.metrics["validation_loss"] for report in epochs.reports]
    images = trained.preparation(torch.from_numpy(pixels[held]).permute(0, 3, 1, 2))
    with torch.no_grad():
        error = float(((trained.network(images) - images) ** 2).mean())
    assert error == pytest.approx(min(watched), rel=1e-4)  # the weights of the best epoch
    stopping = SIAMESE.model_copy(update={"patience": 5})
    start = ResDyadAE("8x8x20", width=8)
    options = RunOptions(tmp_path / "pairs", callbacks=[pairs])
    train_siamese(stopping, start, pixels, np.arange(8), np.arange(8) % 2, options, validation=(held, held % 2))
    assert [report.watched == report.metrics["validation_loss"] for report in pairs.reports] == [True]
