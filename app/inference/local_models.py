"""The models of this machine: the hand-crafted ones, bundles that ship with the package, bundles in the models folder."""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from typing_extensions import override

from app.atomic_files import telling_full_disk
from app.domain.models import DEFAULT_MODEL, ModelEntry
from app.errors import Conflict, Forbidden, InvalidBundle, NotFound
from app.inference.bundle_zip import stream_bundle, unpack_bundle
from app.inference.bundles import check_bundle, fingerprint, read_bundle
from app.inference.handcrafted import hog, lbp
from app.inference.model_folder import ModelFolder
from app.inference.onnx import OnnxInference
from app.ports import Inference, ModelProvider
from models.bundle.card import ModelCard
from models.bundle.files import CARD_FILE

logger = logging.getLogger(__name__)

BUNDLED = Path(__file__).parent / "bundled"
# The default first: on UC Merced LBP-RGB ranks better than HoG (mAP 18.6 to 18.1, ANMRR 0.738 to 0.749).
BUILT_IN: dict[str, tuple[ModelCard, Callable[[int], Inference]]] = {
    lbp.CARD.id: (lbp.CARD, lbp.lbp_rgb),
    hog.CARD.id: (hog.CARD, hog.hog),
}

OpenBundle = Callable[[Path, int], Inference]
TryBundle = Callable[[Path], None]
_Mark = tuple[tuple[str, int, int], ...]
_Seen = tuple[_Mark, ModelCard | InvalidBundle]
_HIDDEN = (".", "_")


class LocalModels(ModelProvider):
    """The `ModelProvider` port over folders. Thread-safe; a loaded model is returned without a lock.

    models_folder: one bundle per subfolder; it need not exist. An invalid bundle is logged once and not listed; loading it by
    its folder's name raises the reason. threads: of each model. bundled: bundles that ship with the package; `DEFAULT_MODEL`,
    or without it the first of them, is the default until another one is chosen. opening: opens a bundle's folder with a number
    of threads. trial: tries a bundle before it is added, see `try_bundle`; raises `InvalidBundle`.
    """

    def __init__(
        self,
        models_folder: Path,
        threads: int,
        bundled: Path = BUNDLED,
        opening: OpenBundle = OnnxInference,
        trial: TryBundle | None = None,
    ) -> None:
        self._bundled = bundled
        self._added = ModelFolder(models_folder)
        self._threads = threads
        self._open_bundle = opening
        self._trial = trial
        self._lock = threading.RLock()  # guards the folders
        self._opening = threading.Lock()  # guards `_loaded`; acquired before `_lock`
        self._loaded: dict[str, Inference] = {}
        self._seen: dict[Path, _Seen] = {}
        self._active = self._added.read_active()

    @override
    def cards(self) -> list[ModelCard]:
        return [entry.card for entry in self.entries()]

    @override
    def entries(self) -> list[ModelEntry]:
        with self._lock:
            bundles = [self._entry(folder, card) for folder, card in self._bundles().values()]
        bundles.sort(key=lambda entry: entry.card.id != DEFAULT_MODEL)
        shipped = [entry for entry in bundles if entry.origin == "shipped"]
        added = [entry for entry in bundles if entry.origin == "added"]
        built_in = [ModelEntry(card, "built-in", 0) for card, _ in BUILT_IN.values()]
        return sorted([*shipped, *built_in, *added], key=lambda entry: entry.card.id != self._active)

    @override
    def load(self, model_id: str) -> Inference:
        loaded = self._loaded.get(model_id)
        if loaded is None:
            with self._opening:
                loaded = self._loaded.get(model_id)
                if loaded is None:
                    loaded = self._loaded[model_id] = self._open(model_id)
        return loaded

    @override
    def add(self, folder: Path) -> tuple[ModelCard, bool]:
        card = check_untrusted_bundle(folder, self._trial)
        with self._lock:
            if self._has_same(folder, card):
                return card, False
            target = self._added.put(folder, card.id)
            self._seen[target] = (fingerprint(target), card)  # it was checked: the next listing need not check again
        return card, True

    @override
    def add_zip(self, archive: Path, max_bytes: int) -> tuple[ModelCard, bool]:
        with self._added.scratch() as scratch:
            unpack_bundle(archive, scratch / "bundle", max_bytes)
            return self.add(scratch / "bundle")

    @override
    def zipped(self, model_id: str) -> Iterator[bytes]:
        with self._lock:
            return stream_bundle(*self._bundle(model_id))

    @override
    def copy(self, model_id: str, target: Path) -> Path:
        with self._lock, telling_full_disk(target.parent):
            return shutil.copytree(self._bundle(model_id)[0], target / model_id)

    @override
    def set_default(self, model_id: str) -> None:
        with self._lock:
            if model_id not in BUILT_IN:
                self._bundle(model_id)
            self._added.write_active(model_id)
            self._active = model_id

    @override
    def remove(self, model_id: str) -> None:
        with self._opening, self._lock:
            folders = {path.name: path for path in self._subfolders()}  # an added one wins over a shipped one of its name
            if model_id not in folders and model_id not in BUILT_IN:
                raise self._missing(model_id)
            if model_id not in folders or folders[model_id].parent == self._bundled:
                raise Forbidden(f"model {model_id!r} comes with Dyad and cannot be deleted")
            self._added.take_out(model_id)
            self._seen.pop(folders[model_id], None)
            loaded = self._loaded.pop(model_id, None)
        if loaded is not None:
            loaded.close()

    def close(self) -> None:
        """Release every model."""
        with self._opening:
            for model in self._loaded.values():
                model.close()
            self._loaded.clear()

    def _open(self, model_id: str) -> Inference:
        if model_id in BUILT_IN:
            return BUILT_IN[model_id][1](self._threads)
        return self._open_bundle(self._bundle(model_id)[0], self._threads)

    def _bundle(self, model_id: str) -> tuple[Path, ModelCard]:
        """The folder and card of a valid bundle.

        Raises:
            NotFound: there is none. InvalidBundle: it is not valid.
        """
        if model_id in BUILT_IN:
            raise NotFound(f"model {model_id!r} is built in and has no bundle; every installation of Dyad has it")
        bundles = self._bundles()
        if model_id in bundles:
            return bundles[model_id]
        with self._lock:
            for folder in self._subfolders():
                found = self._read(folder)
                if folder.name == model_id and isinstance(found, InvalidBundle):
                    raise found
        raise self._missing(model_id)

    def _missing(self, model_id: str) -> NotFound:
        return NotFound(f"there is no model {model_id!r}; the models are {', '.join(card.id for card in self.cards())}")

    def _has_same(self, folder: Path, card: ModelCard) -> bool:
        """Whether the same bundle was added before; equal cards mean equal files, because they contain their hashes.

        Raises:
            Conflict: another model has its id.
        """
        present = next((path for path in self._subfolders() if path.name == card.id), None)
        if present is None and card.id not in BUILT_IN:
            return False
        if present is not None and isinstance(self._read(present), ModelCard) and _card_bytes(present) == _card_bytes(folder):
            return True
        comes_with_dyad = present is None or present.parent == self._bundled
        advice = "it comes with Dyad; choose another id" if comes_with_dyad else "delete it first, or choose another id"
        raise Conflict(f"there is another model {card.id!r}: {advice}")

    def _bundles(self) -> dict[str, tuple[Path, ModelCard]]:
        """Valid bundles, with their folders, by model id."""
        with self._lock:
            found: dict[str, tuple[Path, ModelCard]] = {}
            for folder in self._subfolders():
                card = self._read(folder)
                if isinstance(card, ModelCard):
                    found[card.id] = (folder, card)
            return found

    def _entry(self, folder: Path, card: ModelCard) -> ModelEntry:
        mark, _ = self._seen[folder]
        return ModelEntry(card, "shipped" if folder.parent == self._bundled else "added", sum(size for _, size, _ in mark))

    def _subfolders(self) -> Iterator[Path]:
        for parent in (self._bundled, self._added.path):
            if parent.is_dir():
                yield from sorted(path for path in parent.iterdir() if path.is_dir() and not path.name.startswith(_HIDDEN))

    def _read(self, folder: Path) -> ModelCard | InvalidBundle:
        """The card, or why the bundle is not valid; read again only after the folder has changed."""
        try:
            mark = fingerprint(folder)
            if folder in self._seen and self._seen[folder][0] == mark:
                return self._seen[folder][1]
        except InvalidBundle:
            mark = ()
        try:
            found: ModelCard | InvalidBundle = self._check_id(folder, check_bundle(folder))
        except InvalidBundle as error:
            logger.warning("invalid model bundle is not listed: %s", error)
            found = error
        self._seen[folder] = (mark, found)
        return found

    def _check_id(self, folder: Path, card: ModelCard) -> ModelCard:
        """A bundle's folder is named after its model, so that no two bundles can have one id."""
        if card.id != folder.name:
            raise InvalidBundle(f"{folder.name}: its card has the id {card.id!r}; rename the folder to {card.id!r}")
        if card.id in BUILT_IN or (folder.parent != self._bundled and (self._bundled / card.id).is_dir()):
            raise InvalidBundle(f"{folder.name}: {card.id!r} is the id of a model that comes with Dyad; choose another")
        return card


def check_untrusted_bundle(folder: Path, trial: TryBundle | None) -> ModelCard:
    """Check card and files of a bundle, then try it, and only then open its graphs in this process; return the card.

    Raises:
        InvalidBundle: it is not valid, or `trial` refuses it.
    """
    if trial is not None:
        read_bundle(folder)
        trial(folder)
    return check_bundle(folder)


def _card_bytes(folder: Path) -> bytes:
    return (folder / CARD_FILE).read_bytes()
