from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from safetensors import safe_open

from models.bundle.card import Normalisation
from models.bundle.code_version import code_version
from models.bundle.errors import AccuracyError, BundleError
from models.bundle.runtime import OnnxEncoder, normalised
from models.bundle.trained_card import Measurement
from models.bundle.verify import read_card
from models.export.quantise import Int8
from models.export.write_bundle import read_bundle, write_bundle
from models.training.recipes.load import named_recipe
from tests.models.export.tiny import MEAN, SIZE, STD, copy_bundle, make_encoder, make_facts, make_matcher, random_tiles


def test_the_card_says_everything(written: Path) -> None:
    card = json.loads((written / "card.json").read_text())
    assert card["recipe"] == named_recipe("nsl").model_dump(mode="json")
    assert card["seed"] == 7
    assert card["code_version"] == code_version()
    assert card["normalisation"] == {"mean": list(MEAN), "std": list(STD)}
    assert (card["input_size"], card["dimension"], card["feature_dimension"], card["pair_dimension"]) == (SIZE, 16, 64, 32)
    assert card["splits"] == {"train": 0.8, "test": 0.2}
    assert card["metrics"] == {"noise": {"protocol": "8 noises against each other", "values": {"mAP": 12.5}}}
    assert card["training_data"] == "Noise (8 images): free for all"
    assert card["matcher"]["half_shape"] == [8, 2, 2]
    assert (card["matcher"]["calibration"], card["matcher"]["fusion"]) == ({"temperature": 1.5}, None)
    assert set(card["files"]) == {path.name for path in written.iterdir()} - {"card.json"}
    assert set(card["files"]) == {"encoder.onnx", "query_half.onnx", "tail.onnx", "weights.safetensors"}


def test_networks_come_back_as_they_went(written: Path) -> None:
    encoder = make_encoder()
    matcher = make_matcher(encoder)
    drawn = torch.random.get_rng_state()
    bundle = read_bundle(written)
    assert torch.equal(torch.random.get_rng_state(), drawn)  # reading disturbs nobody's randomness
    assert bundle.matcher is not None
    assert bundle.matcher.stored == matcher.stored
    assert (bundle.matcher.calibration, bundle.matcher.fusion) == ({"temperature": 1.5}, None)
    for wanted, found in ((encoder, bundle.encoder), (matcher.network, bundle.matcher.network)):
        state = wanted.state_dict()
        assert all(torch.equal(tensor, state[name]) for name, tensor in found.state_dict().items())
        assert not found.training


@torch.no_grad()
def test_half_weights_are_those_of_the_graph(tmp_path: Path) -> None:
    encoder = make_encoder()
    folder = tmp_path / "tiny"
    card = write_bundle(folder, encoder, make_facts(), weights="float16")
    assert (card.weights, card.matcher, card.pair_dimension) == ("float16", None, 0)
    parameters = sum(tensor.numel() for tensor in encoder.state_dict().values())
    assert (folder / "weights.safetensors").stat().st_size < 2.4 * parameters
    tiles = random_tiles(3)
    made = OnnxEncoder(folder / "encoder.onnx", MEAN, STD)(tiles)["embedding"]
    batch = torch.from_numpy(normalised(tiles, MEAN, STD))
    np.testing.assert_allclose(made, read_bundle(folder).encoder(batch).embedding.numpy(), atol=1e-5)
    np.testing.assert_allclose(made, encoder(batch).embedding.numpy(), atol=0.01)


def test_nothing_is_written_over_or_left_half_written(written: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="exists; choose another id"):
        write_bundle(written, make_encoder(), make_facts())
    with pytest.raises(BundleError, match="named after its model; call it 'tiny'"):
        write_bundle(tmp_path / "other", make_encoder(), make_facts())
    with pytest.raises(BundleError, match="takes 3 bands, but red, green, blue, nir are named"):
        write_bundle(tmp_path / "tiny", make_encoder(bands=3), make_facts())
    scores = iter([90.0, 50.0])
    with pytest.raises(AccuracyError, match=r"int8 costs 40.00 points"):
        write_bundle(tmp_path / "tiny", make_encoder(), make_facts(), int8=Int8(random_tiles(4), lambda _: next(scores)))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("encoder", ["resnet50", "resnet17"])
def test_facts_of_another_network_are_refused(tmp_path: Path, encoder: str) -> None:
    with pytest.raises(BundleError, match=r"does not fit the network|choose one of"):
        write_bundle(tmp_path / "tiny", make_encoder(), make_facts(encoder=encoder))
    assert list(tmp_path.iterdir()) == []


def test_weights_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    encoder = make_encoder()
    with torch.no_grad():
        encoder.head.weight[0, 0] = 1e5
    with pytest.raises(BundleError, match=r"head.weight: a weight is not finite in float16"):
        write_bundle(tmp_path / "tiny", encoder, make_facts(), weights="float16")
    bad = make_facts(metrics={"m": Measurement(protocol="p", values={"mAP": float("nan")})})
    with pytest.raises(BundleError, match="cannot be written as JSON"):
        write_bundle(tmp_path / "tiny", make_encoder(), bad)


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "../evil"},
        {"id": ".hidden"},
        {"normalisation": Normalisation(mean=(0.5,), std=(0.5,))},
        {"metrics": {"mAP": 12.5}},
        {"metrics": {"m": {"protocol": "", "values": {}}}},
        {"training_sets": ({"name": "x", "terms": ""},)},
        {"normalisation": {"mean": (0.5,) * 4, "std": (0.5, 0.5, 0.5, 0)}},
        {"unknown": 1},
    ],
)
def test_facts_that_contradict_themselves_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        make_facts(**changes)


def test_a_changed_file_is_refused(written: Path, tmp_path: Path) -> None:
    for name in ("encoder.onnx", "tail.onnx", "weights.safetensors"):
        folder = copy_bundle(written, tmp_path / name / "tiny")
        content = bytearray((folder / name).read_bytes())
        content[len(content) // 2] ^= 1
        (folder / name).write_bytes(content)
        with pytest.raises(BundleError, match=f"tiny: {name} has sha256 .* copy the bundle again"):
            read_bundle(folder)


def test_files_that_are_too_many_too_few_or_links_are_refused(written: Path, tmp_path: Path) -> None:
    folder = copy_bundle(written, tmp_path / "tiny")
    (folder / "extra.py").write_text("print('hello')")
    with pytest.raises(BundleError, match=r"extra.py is not declared"):
        read_card(folder)
    (folder / "extra.py").unlink()
    (folder / "tail.onnx").rename(tmp_path / "tail.onnx")
    with pytest.raises(BundleError, match=r"tail.onnx is declared in card.json, but there is no such plain file"):
        read_card(folder)
    (folder / "tail.onnx").symlink_to(tmp_path / "tail.onnx")
    with pytest.raises(BundleError, match="no such plain file"):
        read_card(folder)
    (folder / "card.json").unlink()
    with pytest.raises(BundleError, match=r"there is no card.json"):
        read_card(folder)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"format": 2}, "format 2 is not the format 1"),
        ({"dimension": 1}, "dimension: Input should be greater"),
        ({"pair_dimension": 31}, "pair_dimension is 31, but matcher.half_shape has 32 numbers"),
        ({"precision": "int8"}, "int8: must report the accuracy loss"),
        ({"matcher": None, "pair_dimension": 0, "files": {}}, "encoder.onnx is not declared"),
        ({"dimension": 17}, "does not fit the network that the card describes: size mismatch for head.bias"),
        ({"encoder": {"name": "resnet18", "width": 9}}, "does not fit the network"),
        ({"encoder": {"name": "googlenet", "width": 8}}, "one width only"),
    ],
)
def test_a_card_that_does_not_fit_is_refused(written: Path, tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    folder = copy_bundle(written, tmp_path / "tiny")
    card = json.loads((folder / "card.json").read_text()) | changes
    (folder / "card.json").write_text(json.dumps(card))
    with pytest.raises(BundleError, match=reason):
        read_bundle(folder)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b" " * ((1 << 20) + 1)])
def test_a_card_that_is_none_is_refused_in_one_line(written: Path, tmp_path: Path, content: bytes) -> None:
    folder = copy_bundle(written, tmp_path / "tiny")
    (folder / "card.json").write_bytes(content)
    with pytest.raises(BundleError, match=r"^tiny: card.json[^\n]+$"):
        read_card(folder)


def test_weights_are_safetensors_and_nothing_is_pickled(written: Path) -> None:
    with safe_open(written / "weights.safetensors", framework="pt") as file:
        assert {key.split(".")[0] for key in file.keys()} == {"encoder", "matcher"}  # noqa: SIM118 - it is no mapping
    for path in written.iterdir():
        assert not path.read_bytes().startswith((b"\x80", b"PK"))


def test_the_code_version_is_the_checkouts() -> None:
    root = Path(__file__).parents[3]
    if not (root / ".git").exists():
        pytest.skip("not a git checkout")
    commit = subprocess.run(["git", "-C", root, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
    assert commit.stdout.strip() in code_version() or "-" not in code_version()
