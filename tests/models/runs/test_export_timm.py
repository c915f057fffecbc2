"""A timm network becomes an ONNX encoder, which becomes a bundle."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from app.inference.adding.add_encoder import make_bundle
from app.inference.adding.request import EncoderRequest
from app.inference.onnx import OnnxInference
from models.backbones.timm_trunk import TimmTrunk
from models.bundle.runtime import normalised
from models.runs import export_timm

NAME, SIZE = "test_resnet", 64


def test_a_network_is_exported_with_its_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(5)
    network = TimmTrunk(NAME, bands=3).network.eval()
    save_file(network.state_dict(), tmp_path / "weights.safetensors")
    arguments = [NAME, f"--weights={tmp_path / 'weights.safetensors'}", "--bands=3", f"--size={SIZE}", f"--out={tmp_path}"]
    monkeypatch.setattr(sys, "argv", ["export_timm", *arguments])
    assert export_timm.main() == 0
    facts = json.loads((tmp_path / "facts.json").read_text())
    assert (facts["size"], len(facts["mean"]), len(facts["std"])) == (SIZE, 3, 3)
    mean, std = tuple(facts["mean"]), tuple(facts["std"])
    made = make_bundle(tmp_path / "timm.onnx", EncoderRequest("net", ("r", "g", "b"), SIZE, mean, std), tmp_path / "bundle")
    tiles = np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE, 3), np.uint8)
    with torch.no_grad():
        wanted = network(torch.from_numpy(normalised(tiles, mean, std))).numpy()
    wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    assert made.card.dimension == wanted.shape[1]
    np.testing.assert_allclose(OnnxInference(tmp_path / "bundle", 1).embed(tiles).embedding, wanted, atol=1e-4)


def test_what_cannot_be_exported_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "no.pth").write_bytes(b"no weights")
    for name in ("no_such_network", NAME):
        monkeypatch.setattr(sys, "argv", ["x", name, f"--weights={tmp_path / 'no.pth'}", f"--out={tmp_path}"])
        assert export_timm.main() == 1
        error = capsys.readouterr().err
        assert error.startswith("dyad: ")
        assert error.count("\n") == 1
