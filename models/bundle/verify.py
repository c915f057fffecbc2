"""Verification of a bundle's folder: its card, exactly the files that the card declares, and their hashes."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from pydantic import ValidationError

from models.bundle.card import ModelCard, first_problem
from models.bundle.errors import BundleError
from models.bundle.files import CARD_FILE, ENCODER_FILE, FILE_NAME, QUERY_FEATURES_FILE, TAIL_FILE, WEIGHTS_FILE
from models.bundle.graphs import check_graphs
from models.bundle.head import read_head_arrays
from models.bundle.trained_card import TrainedCard

MAX_CARD_BYTES = 1 << 20
MAX_FILE_BYTES = 2 << 30
MAX_FILES = 64
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")


def verify_bundle(folder: Path) -> ModelCard:
    """Check all of a bundle: card, files, graphs and head; returns the card.

    Raises:
        BundleError: see `read_card`; or a graph or the head does not match the card. The message says what is wrong.
    """
    card = read_card(folder)
    check_graphs(folder, card)
    read_head_arrays(folder, card)
    return card


def read_card(folder: Path) -> ModelCard:
    """The card of a bundle, after its files were checked. `verify_bundle` also opens the graphs.

    Raises:
        BundleError: the card is missing, malformed, contradictory or of another format; a file is missing, undeclared, a link,
            too large, or its sha256 is not the declared one. The message names it.
    """
    card = parse_card(folder)
    _check_listing(folder, card)
    for name, digest in card.files.items():
        found = sha256(folder / name)
        if found != digest.lower():
            raise BundleError(f"{folder.name}: {name} has sha256 {found}, but {CARD_FILE} says {digest}; copy the bundle again")
    return card


def read_trained_card(folder: Path) -> TrainedCard:
    """The card of a bundle that Dyad's training wrote, after its files were checked.

    Raises:
        BundleError: as for `read_card`; or the card does not record the training, or there are no weights.
    """
    card = read_card(folder)
    if WEIGHTS_FILE not in card.files:
        raise BundleError(
            f"{folder.name}: {CARD_FILE}: files: {WEIGHTS_FILE} is not declared; a network without weights can be used, "
            "but not trained further"
        )
    try:
        return TrainedCard.model_validate(card.model_dump(exclude_unset=True))
    except ValidationError as error:
        raise BundleError(f"{folder.name}: {CARD_FILE}: {first_problem(error)}") from None


def parse_card(folder: Path) -> ModelCard:
    """The card of a bundle, without a look at its files.

    Raises:
        BundleError: it is missing, a link, too large, malformed, contradictory or of another format.
    """
    path = folder / CARD_FILE
    if path.is_symlink() or not path.is_file():
        raise BundleError(f"{folder.name}: there is no {CARD_FILE} in it")
    try:
        with path.open("rb") as file:
            content = file.read(MAX_CARD_BYTES + 1)
    except OSError as error:
        raise BundleError(f"{folder.name}: {CARD_FILE} cannot be read ({error.strerror})") from None
    if len(content) > MAX_CARD_BYTES:
        raise BundleError(f"{folder.name}: {CARD_FILE} has more than {MAX_CARD_BYTES} bytes")
    try:
        card = ModelCard.model_validate_json(content)
    except ValidationError as error:
        raise BundleError(f"{folder.name}: {CARD_FILE}: {first_problem(error)}") from None
    reason = _contradiction(card) or _wrong_file(card) or _matcher_contradiction(card)
    if reason is not None:
        raise BundleError(f"{folder.name}: {CARD_FILE}: {reason}")
    return card


def sha256(path: Path) -> str:
    """Hex digest of a file of a bundle.

    Raises:
        BundleError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BundleError(f"{path.parent.name}: {path.name} cannot be read ({error.strerror})") from None


def _contradiction(card: ModelCard) -> str | None:
    """What is wrong with a bundle's card although each field is valid; None if nothing is."""
    if card.kind != "onnx":
        return f"kind {card.kind!r} cannot be imported as a bundle; only 'onnx' can"
    if card.normalisation is not None and len(card.normalisation.mean) != len(card.bands):
        scale = card.normalisation
        return f"normalisation: {len(scale.mean)} means and {len(scale.std)} stds for {len(card.bands)} bands"
    if ENCODER_FILE not in card.files:
        return f"files: {ENCODER_FILE} is not declared"
    if len(card.files) > MAX_FILES:
        return f"files: {len(card.files)}, more than {MAX_FILES}"
    return None


def _wrong_file(card: ModelCard) -> str | None:
    """What is wrong with the name or the hash of a declared file; None if nothing is."""
    for name, digest in card.files.items():
        if not FILE_NAME.fullmatch(name) or name == CARD_FILE:
            return f"files: {name!r} cannot be the name of a bundle's file"
        if not _SHA256.fullmatch(digest):
            return f"files: {name}: {digest[:80]!r} is not a sha256 in 64 hexadecimal digits"
    return None


def _matcher_contradiction(card: ModelCard) -> str | None:
    """What is wrong between a card and its matcher; None if nothing is."""
    if card.matcher is None:
        return None
    missing = next((name for name in (QUERY_FEATURES_FILE, TAIL_FILE) if name not in card.files), None)
    if missing is not None:
        return f"files: there is a matcher, but {missing} is not declared"
    if card.pair_dimension != card.matcher.pair_dimension:
        return f"pair_dimension is {card.pair_dimension}, but matcher.half_shape has {card.matcher.pair_dimension} numbers"
    return None


def _check_listing(folder: Path, card: ModelCard) -> None:
    """Exactly the declared files, plain ones, directly in the folder."""
    try:
        present = {path.name for path in folder.iterdir()}
        for name in card.files:
            path = folder / name
            if path.is_symlink() or not path.is_file():
                raise BundleError(f"{folder.name}: {name} is declared in {CARD_FILE}, but there is no such plain file")
            if path.stat().st_size > MAX_FILE_BYTES:
                raise BundleError(f"{folder.name}: {name} has more than {MAX_FILE_BYTES} bytes")
    except OSError as error:
        raise BundleError(f"{folder.name}: cannot be read ({error.strerror})") from None
    undeclared = sorted(present - {CARD_FILE, *card.files})
    if undeclared:
        raise BundleError(f"{folder.name}: {undeclared[0]} is not declared in {CARD_FILE}; remove it or declare its sha256")
