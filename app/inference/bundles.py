"""Model bundles for the service: verified by `models.bundle`, whose errors become the service's own here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.errors import InvalidBundle
from models.bundle.card import ModelCard
from models.bundle.errors import BundleError
from models.bundle.verify import read_card, verify_bundle


@contextmanager
def as_invalid_bundle() -> Iterator[None]:
    """Raise a `BundleError` of the block as `InvalidBundle`."""
    try:
        yield
    except BundleError as error:
        raise InvalidBundle(str(error)) from error


def read_bundle(folder: Path) -> ModelCard:
    """Check a bundle's card and files and return the card. `check_bundle` also checks the graphs.

    Raises:
        InvalidBundle: see `models.bundle.verify.read_card`.
    """
    with as_invalid_bundle():
        return read_card(folder)


def check_bundle(folder: Path) -> ModelCard:
    """Check all of a bundle, card, files, graphs and head, and return the card.

    Raises:
        InvalidBundle: see `models.bundle.verify.verify_bundle`.
    """
    with as_invalid_bundle():
        return verify_bundle(folder)


def fingerprint(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Names, sizes and modification times of a folder's entries: while they are equal, the folder need not be read again.

    Raises:
        InvalidBundle: the folder cannot be read.
    """
    try:
        stats = [(path.name, path.lstat()) for path in folder.iterdir()]
    except OSError as error:
        raise InvalidBundle(f"{folder.name}: cannot be read ({error.strerror})") from None
    return tuple(sorted((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats))
