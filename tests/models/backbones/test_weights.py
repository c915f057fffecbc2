from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch import Tensor

from models.backbones.attention import ResidualAttentionTrunk
from models.backbones.autoencoder import ResDyadAE
from models.backbones.googlenet import GoogLeNetTrunk
from models.backbones.registry import build_encoder
from models.backbones.resnet import ResNetTrunk
from models.backbones.weights import WeightsError, cached_file, load_weights


@pytest.fixture(scope="module")
def resnet18() -> dict[str, Tensor]:
    torch.manual_seed(1)
    state: dict[str, Tensor] = torchvision.models.resnet18(weights=None).state_dict()
    return state


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Path]:
    before = torch.hub.get_dir()
    torch.hub.set_dir(str(tmp_path / "hub"))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    yield folder
    torch.hub.set_dir(before)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_torchvision_file_is_loaded(resnet18: dict[str, Tensor], tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"weights{suffix}"
    if suffix == ".pth":
        torch.save(resnet18, path)
    else:
        save_file(resnet18, path)
    encoder = build_encoder("resnet18", weights=path)
    torch.testing.assert_close(encoder.trunk.get_parameter("layer4.1.conv2.weight").data, resnet18["layer4.1.conv2.weight"])
    four = build_encoder("resnet18", weights=path, bands=4)
    assert four.bands == 4
    torch.testing.assert_close(
        four.trunk.get_parameter("conv1.weight").data.sum(1), resnet18["conv1.weight"].sum(1), atol=1e-6, rtol=1e-5
    )


def test_a_file_of_other_bands_is_loaded_as_it_is(tmp_path: Path) -> None:
    source = ResNetTrunk(18, width=8, bands=4)
    torch.save(source.state_dict(), tmp_path / "four.pt")
    same = ResNetTrunk(18, width=8, bands=4)
    assert load_weights(same, tmp_path / "four.pt") == ()
    torch.testing.assert_close(same.conv1.weight, source.conv1.weight)


def test_the_cache_of_torchvision_is_used_and_nothing_downloaded(resnet18: dict[str, Tensor], cache: Path) -> None:
    with pytest.raises(WeightsError, match=r"resnet18: no weights in .*resnet18-f37072fd\.pth"):
        build_encoder("resnet18", weights="cache")
    assert list(cache.iterdir()) == []
    torch.save(resnet18, cache / "resnet18-f37072fd.pth")
    assert cached_file("resnet18") == cache / "resnet18-f37072fd.pth"
    encoder = build_encoder("attention-resnet18", weights="cache")
    torch.testing.assert_close(encoder.trunk.get_parameter("conv1.weight").data, resnet18["conv1.weight"])
    with pytest.raises(WeightsError, match="no installed weights"):
        build_encoder("res-ae", weights="cache")


def test_resnet_weights_leave_only_the_attention_new(resnet18: dict[str, Tensor], tmp_path: Path) -> None:
    torch.save(resnet18, tmp_path / "w.pth")
    new = load_weights(ResidualAttentionTrunk(), tmp_path / "w.pth")
    assert new
    assert all(name.startswith("attention") for name in new)


@torch.no_grad()
def test_published_googlenet_weights_get_the_input_they_were_trained_on(tmp_path: Path) -> None:
    reference = torchvision.models.googlenet(weights=None, aux_logits=True, init_weights=True, transform_input=True).eval()
    features: list[Tensor] = []
    reference.inception5b.register_forward_hook(lambda _m, _i, out: features.append(out))
    torch.save(reference.state_dict(), tmp_path / "published.pth")
    encoder = build_encoder("googlenet", weights=tmp_path / "published.pth").eval()
    tiles = torch.randn(1, 3, 64, 64)
    reference(tiles)
    torch.testing.assert_close(encoder(tiles).map, features[-1])
    torch.save(GoogLeNetTrunk().state_dict(), tmp_path / "own.pth")
    own = build_encoder("googlenet", weights=tmp_path / "own.pth")
    torch.testing.assert_close(own.trunk.get_buffer("input_scale"), torch.ones(3))


def test_the_encoder_of_a_trained_autoencoder_is_loaded(tmp_path: Path) -> None:
    autoencoder = ResDyadAE(width=4)
    save_file(autoencoder.state_dict(), tmp_path / "ae.safetensors")
    encoder = build_encoder("resdyad-ae", width=4, weights=tmp_path / "ae.safetensors").eval()
    tiles = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(encoder(tiles).map, autoencoder.eval().encode(tiles))


def test_files_that_do_not_fit_are_refused_with_the_reason(resnet18: dict[str, Tensor], tmp_path: Path) -> None:
    trunk = ResNetTrunk(18, width=8)
    with pytest.raises(WeightsError, match="no such weights file"):
        load_weights(trunk, tmp_path / "none.pth")
    for name, content in (("a.pth", b"not weights"), ("b.safetensors", b"\x00" * 32), ("c.pth", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(WeightsError, match="cannot be read"):
            load_weights(trunk, tmp_path / name)
    torch.save({"epoch": 3}, tmp_path / "d.pth")
    with pytest.raises(WeightsError, match="not a state dict"):
        load_weights(trunk, tmp_path / "d.pth")
    torch.save(resnet18, tmp_path / "wide.pth")
    with pytest.raises(WeightsError, match="does not fit ResNetTrunk"):
        load_weights(trunk, tmp_path / "wide.pth")
    with pytest.raises(WeightsError, match="no convolution"):
        load_weights(ResDyadAE(width=4).encoder, tmp_path / "wide.pth")
    torch.save({k: v for k, v in resnet18.items() if "layer3" not in k}, tmp_path / "part.pth")
    with pytest.raises(WeightsError, match=r"layer3.*missing"):
        load_weights(ResNetTrunk(18), tmp_path / "part.pth")
    assert trunk.bands == 3


def test_code_in_a_file_is_not_run(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (str(tmp_path / "ran"),)

    torch.save({"conv1.weight": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(WeightsError, match="cannot be read"):
        load_weights(ResNetTrunk(18, width=8), tmp_path / "evil.pth")
    assert not (tmp_path / "ran").exists()
