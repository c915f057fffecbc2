"""What PyTorch makes of a bundle against what ONNX Runtime makes of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.fx.experimental.optimization import fuse

from app.errors import InvalidBundle, Unavailable
from app.imagery.tiling.tiler import read_query
from app.inference.local_models import BUNDLED, LocalModels
from app.inference.onnx import OnnxInference
from models.bundle.runtime import normalised
from models.export.write_bundle import read_bundle as read_networks
from models.export.write_bundle import write_bundle
from models.heads.errors import DeviceError
from models.matcher.quantise import quantise
from tests.models.export.tiny import SIZE, copy_bundle, make_encoder, make_facts, random_tiles
from tests.support.bundles import tiny_graph
from tests.support.bundles import write_bundle as write_graph
from tests.support.cutting import spec
from tests.support.on_torch import devices
from worker.torch_inference import TorchInference
from worker.torch_models import DeviceModels, find_device
from worker.torch_network import TileNetwork

SHIPPED = BUNDLED / "dyad-rgb-128"
LIKE = 0.999


def cosines(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray((one * other).sum(axis=1))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle whose graph is float32."""
    folder = tmp_path_factory.mktemp("bundles") / "tiny"
    write_bundle(folder, make_encoder(), make_facts())
    return folder


@pytest.mark.parametrize("device", devices())
def test_every_tile_is_embedded_as_by_onnx(bundle: Path, device: str) -> None:
    tiles = random_tiles(40)
    made = TorchInference(bundle, torch.device(device)).embed(tiles)
    wanted = OnnxInference(bundle, threads=1).embed(tiles)
    assert cosines(made.embedding, wanted.embedding).min() > LIKE
    assert made.feature is not None
    assert wanted.feature is not None
    np.testing.assert_allclose(made.feature, wanted.feature, rtol=0.02, atol=0.02 * float(np.abs(wanted.feature).max()))


@pytest.mark.parametrize("device", devices())
def test_pair_features_are_those_of_the_float32_networks(device: str, blocky_tiles: NDArray[np.uint8]) -> None:
    bundle, model = read_networks(SHIPPED), TorchInference(SHIPPED, torch.device(device))
    assert bundle.matcher is not None
    with torch.inference_mode():
        planes = torch.from_numpy(normalised(blocky_tiles, bundle.card.normalisation.mean, bundle.card.normalisation.std))
        map_ = bundle.encoder(planes).map
        network = bundle.matcher.network
        pairs = quantise(network.candidate_half(map_), bundle.matcher.stored).flatten(1).numpy()
        wanted = network.query_half(map_).flatten(1).numpy()
    made, query_features = model.examine(blocky_tiles)
    assert made.pair is not None
    assert query_features is not None
    assert np.abs(made.pair.astype(int) - pairs).max() <= 2, "bytes of 255 steps"
    np.testing.assert_allclose(query_features, wanted, atol=0.02 * float(np.abs(wanted).max()))


@pytest.mark.parametrize("device", devices())
def test_log_odds_of_the_same_features_are_those_of_the_graph(device: str, blocky_tiles: NDArray[np.uint8]) -> None:
    graph = OnnxInference(SHIPPED, threads=1)
    made, query_features = graph.examine(blocky_tiles)
    assert made.pair is not None
    assert query_features is not None
    found = TorchInference(SHIPPED, torch.device(device)).log_odds(query_features[0], made.pair)
    np.testing.assert_allclose(found, graph.log_odds(query_features[0], made.pair), atol=1e-3)


def test_real_tiles_are_embedded_as_by_the_shipped_int8_graph(data_dir: Path) -> None:
    """Its rounding, not bf16, is what sets the two apart: single tiles are below 0.999 to the float32 weights as well."""
    files = sorted((data_dir / "ucmerced").glob("**/*.jpg"))[::70][:30]
    tiles = np.stack([read_query(file, spec(input_size=128)) for file in files])
    made = TorchInference(SHIPPED, torch.device("cpu")).embed(tiles)
    found = cosines(made.embedding, OnnxInference(SHIPPED, threads=1).embed(tiles).embedding)
    assert np.median(found) > LIKE
    assert found.min() > 0.998


@pytest.mark.parametrize("name", ["resnet18", "resdyad-ae"])
def test_folded_batch_norms_change_nothing(name: str) -> None:
    encoder = make_encoder(name)
    tiles = torch.randn(2, encoder.bands, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        torch.testing.assert_close(fuse(encoder.trunk)(tiles), encoder.trunk(tiles), rtol=1e-3, atol=1e-3)


def test_weights_that_are_not_the_cards_are_refused(bundle: Path, tmp_path: Path) -> None:
    broken = copy_bundle(bundle, tmp_path / "tiny")
    (broken / "weights.safetensors").write_bytes(b"none")
    with pytest.raises(InvalidBundle, match=r"weights\.safetensors"):
        TorchInference(broken, torch.device("cpu"))


def test_a_full_device_is_a_part_that_is_down(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = TorchInference(bundle, torch.device("cpu"))

    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    monkeypatch.setattr(TileNetwork, "forward", full)
    with pytest.raises(Unavailable, match="memory of cpu is full"):
        model.embed(random_tiles(1))


def test_a_worker_without_a_gpu_runs_the_graphs(bundle: Path, tmp_path: Path) -> None:
    shutil.copytree(bundle, tmp_path / "tiny")
    models = LocalModels(tmp_path, threads=1, bundled=tmp_path / "none", opening=DeviceModels(torch.device("cpu")))
    assert isinstance(models.load("tiny"), OnnxInference)


def test_a_bundle_without_weights_runs_the_graphs_even_on_a_gpu(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = write_graph(tmp_path / "plain", tiny_graph())
    model = DeviceModels(torch.device("cuda", 0))(folder, 1)
    assert isinstance(model, OnnxInference)
    assert "plain runs on the CPU with ONNX Runtime: it has no PyTorch weights" in caplog.text


def test_devices_are_found_by_name() -> None:
    assert find_device("cpu") == torch.device("cpu")
    assert find_device("auto").type in ("cpu", "cuda")
    for name in ("gpu", "mps", "cuda:99", "cuda:x"):
        with pytest.raises(DeviceError, match="choose"):
            find_device(name)
