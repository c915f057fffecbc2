"""The models of this machine: the hand-crafted ones, bundles that came with the package, bundles in the models folder."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from app.domain.cards import ModelCard
from app.errors import InvalidBundle, NotFound
from app.inference import hog, lbp
from app.inference.bundles import fingerprint
from app.inference.onnx import OnnxInference, check_bundle
from app.ports import Inference

logger = logging.getLogger(__name__)

BUNDLED = Path(__file__).parent / "bundled"
# The default first: on UC Merced LBP-RGB ranks better than HoG (mAP 18.6 to 18.1, ANMRR 0.738 to 0.749).
BUILT_IN: dict[str, tuple[ModelCard, Callable[[int], Inference]]] = {
    lbp.CARD.id: (lbp.CARD, lbp.lbp_rgb),
    hog.CARD.id: (hog.CARD, hog.hog),
}

_Seen = tuple[object, ModelCard | InvalidBundle]


class LocalModels:
    """The `ModelProvider` port over folders. Thread-safe.

    models_folder: one bundle a subfolder; it need not exist. A bundle that does not fit is logged once, is not listed, and
    says why when it is asked for by its folder's name. threads: of each model. bundled: bundles that come with the package;
    the first of them is the default.
    """

    def __init__(self, models_folder: Path, threads: int, bundled: Path = BUNDLED) -> None:
        self._folders = (bundled, models_folder)
        self._threads = threads
        self._lock = threading.RLock()
        self._loaded: dict[str, Inference] = {}
        self._seen: dict[Path, _Seen] = {}

    def cards(self) -> list[ModelCard]:
        """Cards of all models, the default first."""
        bundles = self._bundles()
        shipped = [card for folder, card in bundles.values() if folder.parent == self._folders[0]]
        added = [card for folder, card in bundles.values() if folder.parent != self._folders[0]]
        return [*shipped, *(card for card, _ in BUILT_IN.values()), *added]

    def load(self, model_id: str) -> Inference:
        """The model, loaded once and shared.

        Raises:
            NotFound: no such model. InvalidBundle: its bundle does not fit.
        """
        with self._lock:
            if model_id not in self._loaded:
                self._loaded[model_id] = self._open(model_id)
            return self._loaded[model_id]

    def close(self) -> None:
        """Release every model."""
        with self._lock:
            for model in self._loaded.values():
                model.close()
            self._loaded.clear()

    def _open(self, model_id: str) -> Inference:
        if model_id in BUILT_IN:
            return BUILT_IN[model_id][1](self._threads)
        bundles = self._bundles()
        if model_id in bundles:
            return OnnxInference(bundles[model_id][0], self._threads)
        for folder in self._subfolders():
            found = self._read(folder)
            if folder.name == model_id and isinstance(found, InvalidBundle):
                raise found
        raise NotFound(f"no model {model_id!r}; there are {', '.join(card.id for card in self.cards())}")

    def _bundles(self) -> dict[str, tuple[Path, ModelCard]]:
        """Bundles that fit, with their folders, by model id."""
        with self._lock:
            found: dict[str, tuple[Path, ModelCard]] = {}
            for folder in self._subfolders():
                card = self._read(folder)
                if isinstance(card, ModelCard):
                    found[card.id] = (folder, card)
            return found

    def _subfolders(self) -> Iterator[Path]:
        for parent in self._folders:
            if parent.is_dir():
                yield from sorted(path for path in parent.iterdir() if path.is_dir() and not path.name.startswith((".", "_")))

    def _read(self, folder: Path) -> ModelCard | InvalidBundle:
        """The card, or why there is none; read again only once the folder has changed."""
        try:
            mark = fingerprint(folder)
            if folder in self._seen and self._seen[folder][0] == mark:
                return self._seen[folder][1]
        except InvalidBundle:
            mark = ()
        try:
            found: ModelCard | InvalidBundle = self._check_id(folder, check_bundle(folder))
        except InvalidBundle as error:
            logger.warning("model bundle left out: %s", error)
            found = error
        self._seen[folder] = (mark, found)
        return found

    def _check_id(self, folder: Path, card: ModelCard) -> ModelCard:
        """A bundle's folder is named after its model, so that no two bundles can have one id."""
        if card.id != folder.name:
            raise InvalidBundle(f"{folder.name}: its card names the model {card.id!r}; name the folder so")
        if card.id in BUILT_IN or (folder.parent != self._folders[0] and (self._folders[0] / card.id).is_dir()):
            raise InvalidBundle(f"{folder.name}: {card.id!r} is the id of a model that comes with Dyad; choose another")
        return card
