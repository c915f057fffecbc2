"""What writing any bundle takes: its card as JSON, and a finished folder put in its place. Free of torch."""

from __future__ import annotations

import json
import os
from pathlib import Path

from pydantic import BaseModel

from models.bundle.card import BundleCard
from models.bundle.errors import BundleError
from models.bundle.files import CARD_FILE


def write_card(part: Path, card: BundleCard) -> None:
    """Write `card.json` into a folder.

    Raises:
        BundleError: it holds what JSON cannot.
    """
    (part / CARD_FILE).write_text(as_json(card), encoding="utf-8")


def as_json(card: BaseModel) -> str:
    """A card, or a part of it, as JSON; raises `BundleError` where a value is not finite."""
    try:
        return json.dumps(card.model_dump(mode="json"), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    except ValueError as error:
        raise BundleError(f"{CARD_FILE}: a value cannot be written as JSON: {error}") from None


def move_into_place(part: Path, folder: Path) -> None:
    """Sync a finished folder's files and give it its name.

    Raises:
        BundleError: somebody else has made a folder of that name.
    """
    for path in (*part.iterdir(), part):
        sync(path)
    try:
        part.rename(folder)
    except OSError as error:
        raise BundleError(f"{folder}: the finished bundle cannot be put there ({error.strerror})") from None
    sync(folder.parent)


def sync(path: Path) -> None:
    """Make the content of a file, or the renames in a folder, durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
