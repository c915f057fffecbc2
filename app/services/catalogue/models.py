"""Models: list, load, import, export, activate, delete, and check against a collection."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.atomic_files import complete_file
from app.domain.collections import Band
from app.domain.models import ModelEntry
from app.errors import Conflict, ModelMismatch, NotFound
from app.ports import MODELS_LOCK, Inference, Locks, ModelProvider
from app.services.catalogue.external_model import ExternalModel, external_card, external_entry
from models.bundle.card import ModelCard

MAX_NAMED = 10
Uses = Callable[[], Mapping[str, Sequence[str]]]
"""Ids of the collections that use a model, by model id."""


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """An available model.

    is_default: whether new collections get it. used_by: ids of the collections that use it. superseded_by: id of the default
    model, if that is a bundled one and its card names this model as superseded.
    """

    entry: ModelEntry
    is_default: bool
    used_by: tuple[str, ...]
    superseded_by: str | None = None

    @property
    def card(self) -> ModelCard:
        """The model's card."""
        return self.entry.card


@dataclass(frozen=True, slots=True)
class Import:
    """An imported model. is_new: False if the same bundle existed already."""

    model: ModelInfo
    is_new: bool


class ModelService:
    """Manages models by id.

    uses: returns which collections use which model. max_bytes: limit of the unpacked size of an imported zip.
    """

    def __init__(self, provider: ModelProvider, uses: Uses, max_bytes: int, locks: Locks) -> None:
        self._provider = provider
        self._uses = uses
        self._max_bytes = max_bytes
        self._locks = locks

    def cards(self) -> list[ModelCard]:
        """Cards of all models, the default first."""
        return self._provider.cards()

    def all(self) -> list[ModelInfo]:
        """All models, the default first."""
        uses = self._uses()
        entries = self._provider.entries()
        default, known = entries[0], {entry.card.id for entry in entries}
        external = [card for name in sorted(uses) if name not in known and (card := external_card(name)) is not None]
        entries = [*entries, *map(external_entry, external)]
        superseded = default.card.supersedes if default.origin == "shipped" else ()
        return [
            ModelInfo(
                entry,
                entry is default,
                tuple(uses.get(entry.card.id, ())),
                default.card.id if entry.origin == "shipped" and entry.card.id in superseded else None,
            )
            for entry in entries
        ]

    def info(self, model_id: str) -> ModelInfo:
        """One model.

        Raises:
            NotFound: no such model.
        """
        found = next((info for info in self.all() if info.card.id == model_id), None)
        external = external_card(model_id) if found is None else None
        if external is not None:
            return ModelInfo(external_entry(external), False, ())
        if found is None:
            raise self._missing(model_id)
        return found

    def default(self) -> ModelCard:
        """The card of the model that a new collection gets."""
        return self._provider.cards()[0]

    def card(self, model_id: str) -> ModelCard:
        """The card of one model.

        Raises:
            NotFound: no such model.
        """
        found = next((card for card in self._provider.cards() if card.id == model_id), None) or external_card(model_id)
        if found is None:
            raise self._missing(model_id)
        return found

    def load(self, model_id: str) -> Inference:
        """Load a model for inference.

        Raises:
            NotFound: no such model. InvalidBundle: its bundle is not valid.
        """
        try:
            return self._provider.load(model_id)
        except NotFound:
            card = external_card(model_id)
            if card is None:
                raise
            return ExternalModel(card)

    def check_fit(self, model_id: str, bands: Sequence[Band] | None) -> ModelCard:
        """The card of a model, after a check that it takes as many bands as the collection selects.

        Raises:
            ModelMismatch: it takes another number of bands. NotFound: no such model.
        """
        card = self.card(model_id)
        if bands is not None and len(bands) != len(card.bands):
            raise ModelMismatch(
                f"model {card.id!r} takes {len(card.bands)} bands ({', '.join(card.bands)}), but `bands` selects {len(bands)}; "
                f"select {len(card.bands)}, in that order (a band may be repeated)"
            )
        return card

    @contextmanager
    def keeping(self) -> Iterator[None]:
        """Block the deletion of models within the block. For code that loads a model and then creates an index for it."""
        with self._locks.hold(MODELS_LOCK):
            yield

    def install(self, folder: Path) -> ModelCard:
        """Add a finished bundle atomically; it is listed at once.

        The folder is moved, or left unchanged if the same bundle exists already.

        Raises:
            InvalidBundle: the bundle is not valid. Conflict: another model has its id. OutOfSpace: the disk is full.
        """
        card, _ = self._provider.add(folder)
        return card

    def import_zip(self, archive: Path) -> Import:
        """Add the bundle in a zip; the zip is not trusted.

        Raises:
            InvalidBundle, Conflict, OutOfSpace: as `install`. TooLarge: it unpacks to more than `max_bytes`. In each case
                nothing is added.
        """
        card, is_new = self._provider.add_zip(archive, self._max_bytes)
        return Import(self.info(card.id), is_new)

    def stream_zip(self, model_id: str) -> Iterator[bytes]:
        """Stream the bundle of a model as a zip, in pieces; the bytes are the same every time.

        Raises:
            NotFound: no such model, or one without a bundle.
        """
        return self._provider.zipped(model_id)

    def export_zip(self, model_id: str, target: Path) -> None:
        """Write the bundle of a model as a zip to the new file `target`, completely or not at all.

        Raises:
            NotFound: no such model, or one without a bundle. OSError: the file exists, or cannot be written.
        """
        pieces = self._provider.zipped(model_id)
        with complete_file(target) as file:
            file.writelines(pieces)

    def copy_bundle(self, model_id: str, target: Path) -> Path:
        """Replace the folder `target` by one with a copy of a model's bundle; return the copy, a folder named by the model id.

        Raises:
            NotFound: no such model, or one without a bundle. OutOfSpace: the disk is full.
        """
        shutil.rmtree(target, ignore_errors=True)
        return self._provider.copy(model_id, target)

    def activate(self, model_id: str) -> ModelInfo:
        """Make a model the active one: of new collections, and of collections that follow the active model.

        Raises:
            NotFound: no such model. InvalidBundle: it cannot be run.
        """
        with self._locks.hold(MODELS_LOCK):
            model = self.load(model_id)
            card = model.card
            model.embed(np.zeros((1, card.input_size, card.input_size, len(card.bands)), np.uint8))
            self._provider.set_default(model_id)
            return self.info(model_id)

    def delete(self, model_id: str) -> None:
        """Delete an added bundle (valid or not) and release the model.

        Raises:
            NotFound: no such model. Forbidden: it comes with Dyad. Conflict: it is active, or a collection uses it.
        """
        with self._locks.hold(MODELS_LOCK):
            entry = next((entry for entry in self._provider.entries() if entry.card.id == model_id), None)
            if entry is None or entry.origin == "added":
                self._check_unused(model_id)
            self._provider.remove(model_id)

    def _check_unused(self, model_id: str) -> None:
        users = self._uses().get(model_id, ())
        if users:
            names = ", ".join(users[:MAX_NAMED]) + (", ..." if len(users) > MAX_NAMED else "")
            plural = "collection" if len(users) == 1 else "collections"
            raise Conflict(
                f"model {model_id!r} is in use by {plural} {names}; first re-index with another model, or delete the {plural}"
            )
        if model_id == self.default().id:
            raise Conflict(f"model {model_id!r} is the active model; activate another model first")

    def _missing(self, model_id: str) -> NotFound:
        return NotFound(f"no model {model_id!r}; available: {', '.join(card.id for card in self.cards())}")
