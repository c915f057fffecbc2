"""Writing of any bundle: its card as JSON, and the move of a finished folder to its place."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from models.bundle.card import MatcherCard, ModelCard
from models.bundle.errors import BundleError
from models.bundle.files import CARD_FILE


def write_card(part: Path, card: ModelCard) -> None:
    """Write `card.json` into a folder.

    Raises:
        BundleError: a value cannot be written as JSON.
    """
    document = card.model_dump(mode="json")
    if card.matcher is not None:
        document["matcher"].update(_learned(card.matcher))
    (part / CARD_FILE).write_text(_dumps(document), encoding="utf-8")


def check_json(facts: BaseModel) -> None:
    """Return if all values can be written as JSON.

    Raises:
        BundleError: a value is not a finite number, or not a JSON value.
    """
    _dumps(facts.model_dump(mode="json"))


def move_into_place(part: Path, folder: Path) -> None:
    """Sync a finished folder's files and give it its name.

    Raises:
        BundleError: a folder of that name exists.
    """
    for path in (*part.iterdir(), part):
        sync(path)
    try:
        part.rename(folder)
    except OSError as error:
        raise BundleError(f"{folder}: the finished bundle cannot be moved there ({error.strerror})") from None
    sync(folder.parent)


def _learned(matcher: MatcherCard) -> dict[str, Any]:
    """Fusion and calibration with the fields that were learned, without defaults."""
    parts = {"fusion": matcher.fusion, "calibration": matcher.calibration}
    return {name: None if part is None else part.model_dump(mode="json", exclude_unset=True) for name, part in parts.items()}


def _dumps(document: dict[str, Any]) -> str:
    try:
        return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    except ValueError as error:
        raise BundleError(f"{CARD_FILE}: a value cannot be written as JSON: {error}") from None


def sync(path: Path) -> None:
    """Make the content of a file, or the renames in a folder, durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
