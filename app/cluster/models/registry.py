"""The added models of a cluster, in the blob store that all its processes share.

::

    models/bundles/{id}/{digest}/{file}   a bundle; digest: sha256 of its card, which contains the sha256 of the other files
    models/added/{id}/{digest}.json       {"size", "card"}, written last and deleted first: the model exists while it exists
    models/default.json                   {"model": id}: the default that a user chose
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ValidationError

from app.errors import NotFound
from app.ports import Blobs
from models.bundle.card import ModelCard
from models.bundle.files import CARD_FILE

logger = logging.getLogger(__name__)

BUNDLES = "models/bundles/"
ADDED = "models/added/"
DEFAULT = "models/default.json"


@dataclass(frozen=True, slots=True)
class Added:
    """A model that a user added. size: bytes of its files."""

    card: ModelCard
    digest: str
    size: int


class _Document(BaseModel):
    size: int
    card: ModelCard


class SharedRegistry:
    """Reads and writes the added models. A writer must hold the lock of the models."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._read: dict[str, Added | None] = {}  # by key; the object of a key never changes

    def added(self) -> dict[str, Added]:
        """All of them by id."""
        keys = sorted(self._blobs.keys(ADDED))
        known = {key: self._read[key] if key in self._read else self._added(key) for key in keys}
        self._read = known
        return {one.card.id: one for one in known.values() if one is not None}

    def default(self) -> str | None:
        """The id of the chosen default; None if none was chosen."""
        try:
            chosen = json.loads(self._blobs.get(DEFAULT))["model"]
        except NotFound:
            return None
        except (ValueError, KeyError, TypeError) as error:
            logger.warning("%s cannot be read (%s): the default is the model that ships", DEFAULT, error)
            return None
        return chosen if isinstance(chosen, str) else None

    def choose(self, model_id: str) -> None:
        """Set the default."""
        self._blobs.put(DEFAULT, json.dumps({"model": model_id}).encode())

    def put(self, folder: Path, one: Added) -> None:
        """Store a bundle, all of it or nothing; before that, remove what a writer that died left of others."""
        whole = {_folder(other) for other in self.added().values()}
        self._blobs.delete([key for key in self._blobs.keys(BUNDLES) if f"{key.rsplit('/', 1)[0]}/" not in whole])
        for name in (*one.card.files, CARD_FILE):
            self._blobs.put(f"{_folder(one)}{name}", folder / name)
        document = _Document(size=one.size, card=one.card)
        self._blobs.put(f"{ADDED}{one.card.id}/{one.digest}.json", document.model_dump_json().encode())

    def take_out(self, model_id: str) -> None:
        """Delete a model; nothing happens if there is none."""
        self._blobs.delete_prefix(f"{ADDED}{model_id}/")
        self._blobs.delete_prefix(f"{BUNDLES}{model_id}/")

    def fetch(self, one: Added, name: str, target: Path) -> None:
        """Write a file of a bundle to the new file `target`.

        Raises:
            NotFound: it is gone. Unavailable, OutOfSpace.
        """
        self._blobs.fetch(f"{_folder(one)}{name}", target)

    def _added(self, key: str) -> Added | None:
        try:
            document = _Document.model_validate_json(self._blobs.get(key))
        except NotFound:  # deleted since it was listed
            return None
        except ValidationError as error:
            logger.warning("model left out: %s cannot be read: %s", key, error.errors()[0]["msg"])
            return None
        return Added(document.card, key.rsplit("/", 1)[1].removesuffix(".json"), document.size)


def _folder(one: Added) -> str:
    return f"{BUNDLES}{one.card.id}/{one.digest}/"
