"""Copies of shared bundles on this machine, for all its processes: downloaded when first needed, checked by their hashes.

::

    {digest}/{id}/    a bundle
    .incoming-*/      downloads and unpacking in progress
"""

from __future__ import annotations

import hashlib
import logging
import shutil
import tempfile
import time
from collections.abc import Iterator, Set
from contextlib import contextmanager
from pathlib import Path

from app.atomic_files import telling_full_disk
from app.cluster.models.registry import Added, SharedRegistry
from app.errors import InvalidBundle
from app.inference.bundles import read_bundle
from app.inference.model_folder import move
from models.bundle.files import CARD_FILE, FILE_NAME

logger = logging.getLogger(__name__)

SCRATCH = ".incoming-"
ABANDONED_SECONDS = 86_400.0


def digest_of(folder: Path) -> str:
    """The digest that identifies a bundle: the sha256 of its card."""
    return hashlib.sha256((folder / CARD_FILE).read_bytes()).hexdigest()


class BundleCache:
    """The folder at `root`, created when it is needed. Several processes may use it; each copy appears by one rename."""

    def __init__(self, root: Path, registry: SharedRegistry) -> None:
        self._root = root
        self._registry = registry

    def folder(self, one: Added) -> Path:
        """The folder of a model's bundle on this machine, downloaded if it is missing.

        Raises:
            NotFound: it was deleted. InvalidBundle: the stored files do not match the card. Unavailable: the blob store
                does not answer. OutOfSpace: the disk is full.
        """
        place = self._place(one)
        if not place.is_dir():
            with self.scratch() as scratch:
                self._settle(self._fetched(one, scratch / one.card.id), place)
        return place

    def keep(self, folder: Path, one: Added) -> None:
        """Move a bundle that is on this machine already into the cache."""
        try:
            with self.scratch() as scratch:
                move(folder, scratch / one.card.id)
                self._settle(scratch / one.card.id, self._place(one))
        except OSError as error:
            logger.warning(
                "model %s is downloaded when it is needed: its bundle cannot be moved into the cache (%s)", one.card.id, error
            )
            shutil.rmtree(folder, ignore_errors=True)

    def drop(self, one: Added) -> None:
        """Delete the copy of a model, for example a damaged one."""
        shutil.rmtree(self._place(one).parent, ignore_errors=True)

    def keep_only(self, digests: Set[str]) -> None:
        """Delete all other copies, and what killed processes left."""
        for path in self._root.iterdir() if self._root.is_dir() else ():
            if _is_abandoned(path) if path.name.startswith(SCRATCH) else path.name not in digests:
                shutil.rmtree(path, ignore_errors=True)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A fresh folder on the same disk; it is removed after the block."""
        with telling_full_disk(self._root):
            self._root.mkdir(parents=True, exist_ok=True)
            folder = Path(tempfile.mkdtemp(prefix=SCRATCH, dir=self._root))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _place(self, one: Added) -> Path:
        return self._root / one.digest / one.card.id

    def _fetched(self, one: Added, folder: Path) -> Path:
        folder.mkdir()
        self._registry.fetch(one, CARD_FILE, folder / CARD_FILE)
        if digest_of(folder) != one.digest:
            raise InvalidBundle(
                f"{one.card.id}: the stored {CARD_FILE} differs from the one that was added; import the model again"
            )
        for name in one.card.files:
            if not FILE_NAME.fullmatch(name):
                raise InvalidBundle(f"{one.card.id}: {name!r} cannot be the name of a bundle's file")
            self._registry.fetch(one, name, folder / name)
        read_bundle(folder)
        return folder

    def _settle(self, folder: Path, place: Path) -> None:
        """Move a complete bundle to its place; another process may have done so."""
        place.parent.mkdir(exist_ok=True)
        try:
            folder.rename(place)
        except OSError:
            if not place.is_dir():
                raise


def _is_abandoned(scratch: Path) -> bool:
    try:
        return time.time() - scratch.stat().st_mtime > ABANDONED_SECONDS
    except FileNotFoundError:
        return False  # its process has removed it
