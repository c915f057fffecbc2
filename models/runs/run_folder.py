"""The folder of a run's checkpoints; one folder belongs to one run."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.training.loop.checkpoints import CheckpointError

IDENTITY_FILE = "run.json"
CHECKPOINTS = "checkpoints"


def claim_folder(folder: Path, identity: Mapping[str, Any], *, resume: bool) -> None:
    """Claim the folder for this run; checkpoints go to its sub-folder `CHECKPOINTS`.

    identity: plain values that must be equal to continue a run. resume: continue from the checkpoints; False deletes them.

    Raises:
        CheckpointError: the folder belongs to another run.
    """
    path, checkpoints = folder / IDENTITY_FILE, folder / CHECKPOINTS
    if not resume:
        shutil.rmtree(checkpoints, ignore_errors=True)
        path.unlink(missing_ok=True)
    own = json.loads(json.dumps(dict(identity)))
    if path.exists():
        _compare(path, own)
        return
    if folder.is_dir() and checkpoints.exists():
        raise CheckpointError(
            f"{folder} holds checkpoints of an unknown run; use --no-resume to start again, or another --folder"
        )
    folder.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(own, indent=1) + "\n", encoding="utf-8")
    part.replace(path)


def digest_of(path: Path | None) -> str | None:
    """SHA-256 of a file that a run starts from, None without a file."""
    return None if path is None else hashlib.sha256(path.read_bytes()).hexdigest()


def _compare(path: Path, own: dict[str, Any]) -> None:
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise CheckpointError(f"{path} cannot be read; use --no-resume to start again, or another --folder") from None
    if differing := [name for name in _flat(own) | _flat(kept) if _flat(own).get(name) != _flat(kept).get(name)]:
        shown = ", ".join(differing[:5])
        raise CheckpointError(
            f"{path.parent} belongs to a run with other values of {shown}; pass the same values, use --no-resume to start "
            "again, or another --folder"
        )


def _flat(value: Any, name: str = "") -> dict[str, Any]:
    """Leaf values by dotted name."""
    if not isinstance(value, dict):
        return {name: value}
    return {key: leaf for part, item in value.items() for key, leaf in _flat(item, f"{name}.{part}" if name else part).items()}
