"""What the learning side writes, the service takes: the two share no code, only the bundle."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from app.errors import InvalidBundle
from app.inference.bundles import check_bundle
from app.inference.local_models import LocalModels
from app.inference.onnx import OnnxInference
from models.backbones.registry import ENCODERS
from models.bundle.runtime import OnnxEncoder
from models.export.quantise import Int8, retrieval_score
from models.export.write_bundle import read_bundle, write_bundle
from models.matcher.quantise import quantise
from models.training.transforms import Preparation
from tests.models.export.tiny import MEAN, SIZE, STD, copy_bundle, make_encoder, make_facts, make_matcher, random_tiles


@torch.no_grad()
def agree(folder: Path, bands: int, has_matcher: bool) -> None:
    """The service's numbers of some tiles are the network's, normalised as in training."""
    bundle = read_bundle(folder)
    tiles = random_tiles(5, bands)
    made = OnnxInference(folder, threads=1).embed(tiles)
    preparation = Preparation(MEAN[:bands], STD[:bands]).eval()
    wanted = bundle.encoder(preparation(torch.from_numpy(tiles).permute(0, 3, 1, 2)))
    np.testing.assert_allclose(made.embedding, wanted.embedding.numpy(), atol=1e-4)
    assert made.feature is not None
    np.testing.assert_allclose(made.feature, wanted.feature.numpy(), rtol=2e-3, atol=1e-3)
    assert (made.pair is not None) == has_matcher
    if made.pair is not None and bundle.matcher is not None:
        network = bundle.matcher.network
        _, halves = OnnxInference(folder, threads=1).examine(tiles)
        assert halves is not None
        # Numbers of the size of the map: a thousand of them may add up to hundreds.
        np.testing.assert_allclose(halves, network.query_half(wanted.map).flatten(1).numpy(), rtol=1e-3, atol=1e-3)
        stored = quantise(bundle.matcher.network.candidate_half(wanted.map), bundle.matcher.stored).flatten(1)
        assert int(np.abs(made.pair.astype(int) - stored.numpy()).max()) <= 1


@pytest.mark.parametrize("name", ENCODERS)
def test_every_backbone_embeds_alike_in_the_service(written_of: Callable[[str], Path], name: str) -> None:
    agree(written_of(name), 4, has_matcher=True)


def test_three_bands_and_no_matcher(tmp_path: Path) -> None:
    write_bundle(tmp_path / "tiny", make_encoder("res-ae", bands=3), make_facts(encoder="res-ae", bands=3))
    agree(tmp_path / "tiny", 3, has_matcher=False)


def zip_of(folder: Path, path: Path) -> Path:
    """A bundle as one file, as somebody packs it by hand."""
    return Path(shutil.make_archive(str(path.with_suffix("")), "zip", folder.parent, folder.name))


def test_the_provider_lists_what_was_written(written: Path, tmp_path: Path) -> None:
    shutil.copytree(written, tmp_path / "models" / "tiny")
    models = LocalModels(tmp_path / "models", threads=1, bundled=tmp_path / "none")
    card = next(card for card in models.cards() if card.id == "tiny")
    assert (card.training_data, card.dimension, card.pair_dimension) == ("Noise (8 images): free for all", 16, 32)
    kept = card.model_dump(mode="json")
    assert kept["matcher"]["stored"] == json.loads((written / "card.json").read_text())["matcher"]["stored"]
    assert models.load("tiny").embed(random_tiles(2)).embedding.shape == (2, 16)


def test_the_registry_takes_a_bundle_and_gives_it_back(written: Path, tmp_path: Path) -> None:
    models = LocalModels(tmp_path / "models", threads=1, bundled=tmp_path / "none")
    card, is_new = models.add_zip(zip_of(written, tmp_path / "tiny.zip"), 64 << 20)
    assert (card.id, is_new) == ("tiny", True)
    assert models.load("tiny").embed(random_tiles(2)).embedding.shape == (2, 16)
    (tmp_path / "again.zip").write_bytes(b"".join(models.zipped("tiny")))
    folder = tmp_path / "elsewhere" / "tiny"
    shutil.unpack_archive(tmp_path / "again.zip", folder)
    assert read_bundle(folder).card == read_bundle(written).card
    assert not models.add(folder)[1]


def test_int8_bundles_serve_too(tmp_path: Path) -> None:
    encoder = make_encoder()
    tiles = random_tiles(8)
    int8 = Int8(random_tiles(16, seed=2), retrieval_score(tiles, np.arange(8) % 2), max_loss=50.0)
    card = write_bundle(tmp_path / "tiny", encoder, make_facts(), matcher=make_matcher(encoder), int8=int8, weights="float16")
    assert card.precision == "int8"
    assert card.int8 is not None
    made = OnnxInference(tmp_path / "tiny", threads=1).embed(tiles)
    again = OnnxEncoder(tmp_path / "tiny" / "encoder.onnx", MEAN, STD)(tiles, ["embedding", "pair"])
    # Numbers a hair apart may be rounded to other bytes at the input, and a random network makes the most of it.
    assert float((made.embedding * again["embedding"]).sum(axis=1).min()) > 0.99
    assert made.pair is not None
    assert made.pair.shape == (8, 32)
    assert {path.name for path in (tmp_path / "tiny").iterdir()} == {"card.json", *card.files}


@pytest.mark.parametrize("name", ["encoder.onnx", "query_half.onnx", "weights.safetensors"])
def test_the_service_refuses_what_was_tampered_with(written: Path, tmp_path: Path, name: str) -> None:
    folder = copy_bundle(written, tmp_path / "tiny")
    assert check_bundle(folder).input_size == SIZE
    with (folder / name).open("ab") as file:
        file.write(b"\0")
    with pytest.raises(InvalidBundle, match=f"{name} has sha256"):
        check_bundle(folder)


@pytest.mark.parametrize(
    ("field", "value"), [("dimension", 32), ("feature_dimension", 0), ("pair_dimension", 8), ("input_size", 32)]
)
def test_the_service_refuses_a_card_of_another_graph(written: Path, tmp_path: Path, field: str, value: int) -> None:
    folder = copy_bundle(written, tmp_path / "tiny")
    card = json.loads((folder / "card.json").read_text()) | {field: value}
    (folder / "card.json").write_text(json.dumps(card))
    with pytest.raises(InvalidBundle, match=r"model 'tiny'|tiny: card\.json: pair_dimension"):
        check_bundle(folder)
