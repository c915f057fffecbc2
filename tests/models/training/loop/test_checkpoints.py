from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from models.training.loop.checkpoints import (
    CheckpointError,
    latest_checkpoint,
    load_checkpoint,
    prune_checkpoints,
    save_checkpoint,
    step_file,
)


def test_a_tree_comes_back_as_it_was(tmp_path: Path) -> None:
    shared = torch.arange(6.0).reshape(2, 3)
    tree = {
        "tensors": {"a": shared, "b": shared.t(), "bf16": torch.tensor([1.5], dtype=torch.bfloat16), "none": torch.zeros(0, 4)},
        "images": torch.rand(2, 3, 4, 4).contiguous(memory_format=torch.channels_last),
        "state": {0: {"step": torch.tensor(3.0)}, 1: None},
        "groups": [{"lr": 0.1, "betas": (0.9, 0.999), "fused": True, "params": [0, 1]}],
        "best": float("-inf"),
        "name": "ü",
        "empty": {},
    }
    path = tmp_path / "deep" / "a.safetensors"
    save_checkpoint(path, tree)
    back = load_checkpoint(path)
    assert list(back) == list(tree)
    assert torch.equal(back["tensors"]["a"], shared)
    assert torch.equal(back["tensors"]["b"], shared.t())
    assert back["tensors"]["bf16"].dtype == torch.bfloat16
    assert back["tensors"]["none"].shape == (0, 4)
    assert torch.equal(back["images"], tree["images"])  # type: ignore[arg-type]
    assert back["state"][0]["step"].item() == 3
    assert back["groups"] == tree["groups"]
    assert isinstance(back["groups"][0]["betas"], tuple)
    assert (back["state"][1], back["best"], back["name"], back["empty"]) == (None, float("-inf"), "ü", {})
    assert [file.name for file in path.parent.iterdir()] == ["a.safetensors"]


def test_holds_plain_values_only(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="a/1: a checkpoint cannot hold a PosixPath"):
        save_checkpoint(tmp_path / "x.safetensors", {"a": [1, Path("x")]})
    assert not list(tmp_path.iterdir())


def test_a_failed_write_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_checkpoint(path, {"step": 1})
    with pytest.raises(TypeError):
        save_checkpoint(path, {"step": object()})
    assert load_checkpoint(path) == {"step": 1}


@pytest.mark.parametrize("content", [b"", b"not safetensors at all", None])
def test_says_which_file_is_broken(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "broken.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"broken.safetensors cannot be read as a checkpoint"):
        load_checkpoint(path)


def test_a_cut_or_foreign_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_checkpoint(path, {"weights": torch.rand(100)})
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(CheckpointError, match="cannot be read as a checkpoint"):
        load_checkpoint(path)
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(CheckpointError, match="not a checkpoint of this version"):
        load_checkpoint(path)


def test_finds_the_newest_and_deletes_the_old(tmp_path: Path) -> None:
    assert latest_checkpoint(tmp_path) is None
    assert latest_checkpoint(tmp_path / "nowhere") is None
    for step in (5, 100, 20):
        save_checkpoint(step_file(tmp_path, step), {"step": step})
    save_checkpoint(tmp_path / "best.safetensors", {"step": 1})
    (tmp_path / ".step-000000200.safetensors.77.part").write_bytes(b"half")
    assert latest_checkpoint(tmp_path) == step_file(tmp_path, 100)
    prune_checkpoints(tmp_path, keep=2)
    names = sorted(file.name for file in tmp_path.iterdir())
    assert names == ["best.safetensors", "step-000000020.safetensors", "step-000000100.safetensors"]
