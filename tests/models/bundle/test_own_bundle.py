"""A bundle that a user wrote: an ONNX encoder and the smallest card. Service and training accept and refuse it alike."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.errors import InvalidBundle
from app.inference.adding.add_encoder import make_bundle
from app.inference.adding.request import EncoderRequest
from app.inference.bundle_zip import stream_bundle
from app.inference.bundles import check_bundle, read_bundle
from app.inference.local_models import LocalModels
from models.bundle.card import ModelCard
from models.bundle.errors import BundleError
from models.bundle.trained_card import EncoderFacts, TrainingSet, training_record
from models.bundle.verify import read_card, read_trained_card, verify_bundle
from models.heads.head_bundle import HeadFacts, read_head, write_head_bundle
from models.heads.linear_head import Head
from tests.support.bundle_zips import packed
from tests.support.bundles import BANDS, SIZE, digests, tiny_graph, write_matching_bundle
from tests.support.headed import DIMENSION, FEATURE, random_head, write_headed_bundle
from tests.support.strangers import write_stranger

LIMIT = 64 << 20
NAME = "bundle"
"""Of the folder: a zip is unpacked into a folder of this name, so that all messages begin alike."""


def write_own(folder: Path, **card: Any) -> Path:
    """The smallest bundle there is. card: replaces or adds fields."""
    folder.mkdir()
    (folder / "encoder.onnx").write_bytes(tiny_graph().SerializeToString())
    fields = {"id": "mine", "input_size": SIZE, "bands": BANDS, "dimension": 8, "files": digests(folder, ["encoder.onnx"])}
    (folder / "card.json").write_text(json.dumps(fields | card))
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_own(tmp_path / NAME)


@pytest.fixture
def models(tmp_path: Path) -> LocalModels:
    return LocalModels(tmp_path / "models", threads=1, bundled=tmp_path / "none")


def test_the_smallest_bundle_passes_everywhere(folder: Path, tmp_path: Path, models: LocalModels) -> None:
    card = verify_bundle(folder)
    assert card == read_card(folder) == check_bundle(folder) == read_bundle(folder)
    added, is_new = models.add_zip(packed(folder, tmp_path / "by-hand.zip"), LIMIT)
    assert (added, is_new) == (card, True)
    archive = tmp_path / "exported.zip"  # as `dyad models import FOLDER` packs it
    archive.write_bytes(b"".join(stream_bundle(folder, card)))
    assert models.add_zip(archive, LIMIT) == (card, False)
    made = models.load("mine").embed(np.zeros((2, SIZE, SIZE, len(BANDS)), np.uint8))
    assert made.embedding.shape == (2, 8)
    assert verify_bundle(tmp_path / "models" / "mine") == card


def test_unknown_fields_are_kept(tmp_path: Path) -> None:
    card = verify_bundle(write_own(tmp_path / NAME, later={"kept": True}, encoder="a network of mine", metrics={"map": 0.5}))
    kept = card.model_dump()
    assert (kept["later"], kept["encoder"], kept["metrics"]) == ({"kept": True}, "a network of mine", {"map": 0.5})


def change(**fields: Any) -> Callable[[Path], None]:
    def changed(folder: Path) -> None:
        path = folder / "card.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | fields))

    return changed


def declare(**digest: str) -> Callable[[Path], None]:
    return lambda folder: change(files=digests(folder, ["encoder.onnx"]) | digest)(folder)


def other_graph(content: bytes) -> Callable[[Path], None]:
    def changed(folder: Path) -> None:
        (folder / "encoder.onnx").write_bytes(content)
        declare()(folder)

    return changed


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "no card": (lambda folder: (folder / "card.json").unlink(), r"there is no card\.json"),
    "no JSON": (lambda folder: (folder / "card.json").write_text("{"), r"card\.json: Invalid JSON"),
    "large card": (lambda folder: (folder / "card.json").write_text(" " * (1 << 21)), "has more than 1048576 bytes"),
    "a later format": (change(format=2, dimension="many"), "format 2 is not the format 1 that this version reads"),
    "another kind": (change(kind="hand-crafted"), "cannot be imported as a bundle"),
    "no id": (change(id=""), "id: String should match pattern"),
    "no bands": (change(bands=[]), "bands: Tuple should have at least 1 item"),
    "small dimension": (change(dimension=1), "dimension: Input should be greater"),
    "one mean": (change(normalisation={"mean": [0.5], "std": [0.5]}), "normalisation: 1 means and 1 stds for 3 bands"),
    "two means": (change(normalisation={"mean": [0.5] * 2, "std": [0.5] * 3}), "normalisation: 2 means, but 3 stds"),
    "no mean": (change(normalisation={"mean": [float("nan")] * 3, "std": [0.5] * 3}), "normalisation: a mean is not a finite"),
    "std 0": (change(normalisation={"mean": [0.5] * 3, "std": [0] * 3}), "normalisation: a std is not a finite number above 0"),
    "no encoder": (change(files={}), r"files: encoder\.onnx is not declared"),
    "path": (declare(**{"../evil": "0" * 64}), "files: '../evil' cannot be the name of a bundle's file"),
    "no hash": (declare(**{"notes.txt": "abc"}), "files: notes.txt: 'abc' is not a sha256"),
    "missing file": (declare(**{"notes.txt": "0" * 64}), "notes.txt is declared in card.json, but there is no such plain file"),
    "undeclared file": (lambda folder: (folder / "notes.txt").write_text("?"), "notes.txt is not declared in card.json"),
    "changed file": (declare(**{"encoder.onnx": "0" * 64}), f"encoder.onnx has sha256 .* but card.json says {'0' * 64}"),
    "matcher without graphs": (
        change(matcher={"map_shape": [3, 4, 4], "half_shape": [2, 4, 4]}),
        r"files: there is a matcher, but query_half\.onnx is not declared",
    ),
    "no graph": (other_graph(b"no graph"), r"model 'mine': ONNX Runtime cannot open encoder\.onnx"),
    "another dimension": (change(dimension=9), r"output 'embedding' has shape \['N', 8\], but the card says \(N, 9\)"),
    "another size": (other_graph(tiny_graph(size=32).SerializeToString()), "input 'tiles' has shape"),
    "no feature": (change(feature_dimension=4), "the graph has no output 'feature'"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_bundle_is_refused_alike(folder: Path, tmp_path: Path, models: LocalModels, name: str) -> None:
    spoil, reason = BROKEN[name]
    spoil(folder)
    with pytest.raises(BundleError, match=reason) as by_training:
        verify_bundle(folder)
    with pytest.raises(InvalidBundle) as by_service:
        check_bundle(folder)
    with pytest.raises(InvalidBundle) as by_import:
        models.add_zip(packed(folder, tmp_path / "mine.zip"), LIMIT)
    assert str(by_service.value) == str(by_import.value) == str(by_training.value)
    assert "\n" not in str(by_service.value)
    assert [card.id for card in models.cards()] == ["lbp-rgb", "hog"]


def test_a_matcher_of_ones_own_passes_both(tmp_path: Path) -> None:
    folder = write_matching_bundle(tmp_path / "mine")
    card = verify_bundle(folder)
    assert card == check_bundle(folder)
    assert card.matcher is not None
    assert card.pair_dimension == card.matcher.pair_dimension


def test_hashes_in_capitals_are_the_same_hashes(folder: Path) -> None:
    files = json.loads((folder / "card.json").read_text())["files"]
    change(files={name: digest.upper() for name, digest in files.items()})(folder)
    assert verify_bundle(folder) == check_bundle(folder)


def test_a_card_without_normalisation_scales_by_255_only(folder: Path) -> None:
    scaling = verify_bundle(folder).scaling
    assert (scaling.mean, scaling.std) == ((0.0,) * 3, (1.0,) * 3)


def test_only_trained_bundles_can_be_trained_further(folder: Path) -> None:
    with pytest.raises(BundleError, match=r"weights\.safetensors is not declared"):
        read_trained_card(folder)
    (folder / "weights.safetensors").write_bytes(b"weights")
    change(files=digests(folder, ["encoder.onnx", "weights.safetensors"]))(folder)
    with pytest.raises(BundleError, match=r"^bundle: card\.json: .*: Field required$"):
        read_trained_card(folder)


def test_a_head_is_trained_on_a_bundle_without_weights(tmp_path: Path) -> None:
    base = write_headed_bundle(tmp_path / "mine", random_head(0))
    head = read_head(base)
    labels = TrainingSet(name="fields", terms="not stated", images=4)
    facts = HeadFacts(id="mine-1", title="Fields", description="", labels_from=labels, training={"labelled": 4})
    card = write_head_bundle(tmp_path / "heads", base, head, facts)
    read = check_bundle(tmp_path / "heads" / "mine-1")
    assert (read.dimension, read.feature_dimension) == (DIMENSION, FEATURE)
    assert read.has_features_of(read_card(base))
    assert [each.name for each in training_record(read).training_sets] == ["fields"]
    assert (card.id, read.training_data) == ("mine-1", "fields (4 images): not stated")
    assert set(read.files) == {"encoder.onnx", "head.npz"}


def test_a_malformed_training_record_names_its_field() -> None:
    card = ModelCard(id="m", input_size=32, bands=BANDS, dimension=8, training_sets="mine")
    with pytest.raises(BundleError, match=r"m: card\.json: training_sets: Input should be a valid tuple"):
        training_record(card)


def test_encoders_of_old_cards_have_their_current_name() -> None:
    assert EncoderFacts(name="residual-attention-resnet18") == EncoderFacts(name="attention-resnet18")


def test_the_same_graph_with_other_data_or_another_input_is_another_encoder() -> None:
    fields = {"id": "m", "input_size": 32, "bands": BANDS, "dimension": 8, "feature_dimension": 8}
    graph, data, other = "1" * 64, "2" * 64, "3" * 64

    def card(**more: Any) -> ModelCard:
        return ModelCard.model_validate({**fields, "files": {"encoder.onnx": graph, "encoder.onnx.data": data}, **more})

    base = card()
    assert base.has_encoder_of(card(id="n"))
    assert base.has_features_of(card(id="n", files={**base.files, "head.npz": other}))
    for changed in (
        {"files": {"encoder.onnx": graph, "encoder.onnx.data": other}},
        {"normalisation": {"mean": [0.5] * 3, "std": [0.5] * 3}},
        {"input_size": 64},
        {"bands": ("nir", "red", "green")},
    ):
        assert not base.has_encoder_of(card(**changed))
        assert not base.has_features_of(card(**changed))


def test_a_bundle_with_external_data_and_a_head_survives_export_and_import(tmp_path: Path, models: LocalModels) -> None:
    encoder = write_stranger(tmp_path / "e.onnx", data="weights.bin")
    made = make_bundle(encoder, EncoderRequest("mine", ("red", "green", "blue")), tmp_path / NAME)
    archive = tmp_path / "mine.zip"
    archive.write_bytes(b"".join(stream_bundle(tmp_path / NAME, made.card)))
    assert models.add_zip(archive, LIMIT) == (made.card, True)
    assert b"".join(models.zipped("mine")) == archive.read_bytes()
    (tmp_path / NAME / "encoder.onnx.data").unlink()
    change(files={name: digest for name, digest in made.card.files.items() if name != "encoder.onnx.data"})(tmp_path / NAME)
    with pytest.raises(BundleError, match=r"ONNX Runtime cannot open encoder\.onnx: .*encoder\.onnx\.data"):
        verify_bundle(tmp_path / NAME)


def test_a_head_is_trained_on_a_graph_with_external_data(tmp_path: Path) -> None:
    encoder = write_stranger(tmp_path / "e.onnx", data="weights.bin", batch=1)
    made = make_bundle(encoder, EncoderRequest("mine", ("red", "green", "blue")), tmp_path / "mine")
    head = read_head(tmp_path / "mine")
    labels = TrainingSet(name="fields", terms="not stated", images=4)
    facts = HeadFacts(id="mine-1", title="Fields", description="", labels_from=labels, training={"labelled": 4})
    short = Head(head.weight[:8], head.bias[:8])
    card = write_head_bundle(tmp_path / "heads", tmp_path / "mine", short, facts)
    read = check_bundle(tmp_path / "heads" / "mine-1")
    assert (read.dimension, read.feature_dimension) == (8, made.card.feature_dimension)
    assert read.has_features_of(made.card)
    assert set(card.files) == {"encoder.onnx", "encoder.onnx.data", "head.npz"}
    assert card.files["encoder.onnx.data"] == made.card.files["encoder.onnx.data"]
