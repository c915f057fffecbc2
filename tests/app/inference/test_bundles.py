from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.errors import InvalidBundle
from app.inference.bundles import fingerprint, read_bundle
from models.bundle import verify
from tests.support.bundles import digests, tiny_graph, write_bundle


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "m", tiny_graph())


def change_card(folder: Path, **changes: Any) -> None:
    path = folder / "card.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_good_bundle_gives_its_card(folder: Path) -> None:
    change_card(folder, later_field={"kept": True})
    card = read_bundle(folder)
    assert (card.id, card.dimension, card.bands) == ("m", 8, ("red", "green", "blue"))
    assert card.model_dump()["later_field"] == {"kept": True}


def test_every_declared_file_may_come_along(folder: Path) -> None:
    (folder / "weights.safetensors").write_bytes(b"w")
    change_card(folder, files=digests(folder, ["encoder.onnx", "weights.safetensors"]))
    assert set(read_bundle(folder).files) == {"encoder.onnx", "weights.safetensors"}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"format": 2}, "format 2 is not the format 1"),
        ({"kind": "hand-crafted"}, "cannot be imported as a bundle"),
        ({"dimension": 1}, "dimension: Input should be greater than or equal to 2"),
        ({"id": "a/b"}, "id: String should match pattern"),
        ({"normalisation": {"mean": [0.5], "std": [0.5]}}, "1 means and 1 stds for 3 bands"),
        ({"normalisation": {"mean": [0.5] * 3, "std": [0.5, 0.5, 0]}}, "a std is not a finite number above 0"),
        ({"files": {}}, "encoder.onnx is not declared"),
    ],
)
def test_a_card_that_contradicts_itself_is_refused(folder: Path, changes: dict[str, Any], reason: str) -> None:
    change_card(folder, **changes)
    with pytest.raises(InvalidBundle, match=f"^m: card.json: .*{reason}"):
        read_bundle(folder)


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "sub/file", ".hidden", "card.json", "a\\b", ""])
def test_names_that_lead_out_of_the_folder_are_refused(folder: Path, name: str) -> None:
    (folder.parent / "secret").write_bytes(b"s")
    change_card(folder, files=digests(folder, ["encoder.onnx"]) | {name: "0" * 64})
    with pytest.raises(InvalidBundle, match="cannot be the name of a bundle's file"):
        read_bundle(folder)


def test_a_changed_file_is_named_with_both_digests(folder: Path) -> None:
    wanted = digests(folder, ["encoder.onnx"])["encoder.onnx"]
    with (folder / "encoder.onnx").open("ab") as file:
        file.write(b"\0")
    found = digests(folder, ["encoder.onnx"])["encoder.onnx"]
    with pytest.raises(InvalidBundle, match=f"encoder.onnx has sha256 {found}, but card.json says {wanted}"):
        read_bundle(folder)


def test_an_undeclared_file_is_refused(folder: Path) -> None:
    (folder / "extra.py").write_text("print('hello')")
    with pytest.raises(InvalidBundle, match=r"extra.py is not declared in card.json"):
        read_bundle(folder)


def test_a_link_is_refused(folder: Path) -> None:
    target = folder.parent / "encoder.onnx"
    (folder / "encoder.onnx").rename(target)
    (folder / "encoder.onnx").symlink_to(target)
    with pytest.raises(InvalidBundle, match="there is no such plain file"):
        read_bundle(folder)


def test_a_missing_file_is_refused(folder: Path) -> None:
    (folder / "encoder.onnx").unlink()
    with pytest.raises(InvalidBundle, match=r"encoder.onnx is declared"):
        read_bundle(folder)


def test_a_folder_without_a_card_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidBundle, match=r"there is no card.json"):
        read_bundle(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b'{"id": "m"}'])
def test_a_card_that_is_none_is_refused_in_one_line(folder: Path, content: bytes) -> None:
    (folder / "card.json").write_bytes(content)
    with pytest.raises(InvalidBundle, match=r"^m: card.json: [^\n]+$"):
        read_bundle(folder)


def test_limits(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "MAX_FILE_BYTES", 100)
    with pytest.raises(InvalidBundle, match=r"encoder.onnx has more than 100 bytes"):
        read_bundle(folder)
    (folder / "card.json").write_bytes(b" " * (verify.MAX_CARD_BYTES + 1))
    with pytest.raises(InvalidBundle, match=r"card.json has more than"):
        read_bundle(folder)


def test_a_fingerprint_changes_with_the_folder(folder: Path) -> None:
    before = fingerprint(folder)
    assert fingerprint(folder) == before
    (folder / "extra").write_bytes(b"")
    assert fingerprint(folder) != before
    with pytest.raises(InvalidBundle, match="cannot be read"):
        fingerprint(folder / "absent")
