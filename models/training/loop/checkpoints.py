"""Checkpoints: a safetensors file whose header holds the other values as JSON.

Not `torch.save`, because reading a pickle can run code. A temporary file is written, synced and renamed, so that a kill at any
moment leaves the old or the new checkpoint.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from models.bundle.writing import sync

FORMAT = "dyad-checkpoint-1"
_NAME = re.compile(r"^step-(\d{9})\.safetensors$")


class CheckpointError(RuntimeError):
    """A checkpoint that cannot be read, or belongs to another run; the message tells what to do."""


def save_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Write a tree of dicts, lists, tuples, tensors, numbers, strings, booleans and None, atomically and durably.

    Raises:
        TypeError: the tree holds anything else.
    """
    tensors: dict[str, Tensor] = {}
    tree = _pack(dict(state), "", tensors)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        save_file(tensors, part, metadata={"format": FORMAT, "state": json.dumps(tree)})
        sync(part)
        part.replace(path)
        sync(path.parent)
    finally:
        part.unlink(missing_ok=True)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read what `save_checkpoint` wrote; tensors are on the CPU.

    Raises:
        CheckpointError: the file is missing, damaged or not a checkpoint.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            if header.get("format") != FORMAT:
                raise CheckpointError(f"{path} is not a checkpoint of this version ({FORMAT}); start the run in a new folder")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
            state: dict[str, Any] = _unpack(json.loads(header["state"]), tensors)
    except (OSError, SafetensorError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"{path} cannot be read as a checkpoint ({error}); delete it to resume from the previous one"
        ) from None
    return state


def step_file(folder: Path, step: int) -> Path:
    """Path of the checkpoint after `step` updates."""
    return folder / f"step-{step:09d}.safetensors"


def latest_checkpoint(folder: Path) -> Path | None:
    """The checkpoint of the highest step, None if there are none."""
    found = [path for path in folder.glob("step-*.safetensors") if _NAME.match(path.name)]
    return max(found, default=None)


def prune_checkpoints(folder: Path, keep: int) -> None:
    """Delete all but the `keep` newest, and incomplete files of killed processes."""
    found = sorted(path for path in folder.glob("step-*.safetensors") if _NAME.match(path.name))
    for path in found[: max(0, len(found) - keep)]:
        path.unlink(missing_ok=True)
    for path in folder.glob(".*.safetensors.*.part"):
        path.unlink(missing_ok=True)


def _pack(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, Tensor):
        # a copy: safetensors refuses tensors that share memory
        tensors[name] = value.detach().cpu().clone(memory_format=torch.contiguous_format)
        return {"tensor": name}
    if isinstance(value, Mapping):
        return {"dict": [[key, _pack(item, f"{name}/{key}" if name else str(key), tensors)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        kind = "list" if isinstance(value, list) else "tuple"
        return {kind: [_pack(item, f"{name}/{place}", tensors) for place, item in enumerate(value)]}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"{name}: a checkpoint cannot hold a {type(value).__name__}")


def _unpack(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "dict":
        return {key: _unpack(item, tensors) for key, item in content}
    items = [_unpack(item, tensors) for item in content]
    return items if kind == "list" else tuple(items)
