"""Whether a folder is a bundle: a card that fits, and exactly the files that it declares. Free of torch."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from pydantic import ValidationError

from models.bundle.card import BundleCard
from models.bundle.errors import BundleError
from models.bundle.files import CARD_FILE, ENCODER_FILE, QUERY_HALF_FILE, TAIL_FILE, WEIGHTS_FILE

MAX_CARD_BYTES = 1 << 20
FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


def read_card(folder: Path) -> BundleCard:
    """The card of a bundle all of whose files were checked.

    Raises:
        BundleError: the card is absent, malformed or of a newer format; a file is absent, undeclared, a link, or not the one
            whose sha256 the card declares. The message names it.
    """
    card = parse_card(folder / CARD_FILE, folder.name)
    required = {ENCODER_FILE, WEIGHTS_FILE} | ({QUERY_HALF_FILE, TAIL_FILE} if card.matcher is not None else set())
    missing = sorted(required - set(card.files))
    if missing:
        raise BundleError(f"{folder.name}: {CARD_FILE} does not declare {missing[0]}")
    for name in card.files:
        path = folder / name
        if not FILE_NAME.fullmatch(name) or name == CARD_FILE:
            raise BundleError(f"{folder.name}: {CARD_FILE} declares {name!r}, which cannot be the name of a bundle's file")
        if path.is_symlink() or not path.is_file():
            raise BundleError(f"{folder.name}: {name} is declared in {CARD_FILE}, but there is no such plain file")
    undeclared = sorted({path.name for path in folder.iterdir()} - {CARD_FILE, *card.files})
    if undeclared:
        raise BundleError(f"{folder.name}: {undeclared[0]} is not declared in {CARD_FILE}; remove it")
    for name, digest in card.files.items():
        found = sha256(folder / name)
        if found != digest:
            raise BundleError(f"{folder.name}: {name} has sha256 {found}, but {CARD_FILE} says {digest}; copy the bundle again")
    return card


def parse_card(path: Path, bundle: str) -> BundleCard:
    """A card alone, its files unseen. bundle: its name in messages.

    Raises:
        BundleError: absent, a link, too large, or no card.
    """
    if path.is_symlink() or not path.is_file():
        raise BundleError(f"{bundle}: there is no {CARD_FILE} in it")
    if path.stat().st_size > MAX_CARD_BYTES:
        raise BundleError(f"{bundle}: {CARD_FILE} has more than {MAX_CARD_BYTES} bytes")
    try:
        return BundleCard.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise BundleError(f"{bundle}: {CARD_FILE}: {f'{where}: ' if where else ''}{first['msg']}") from None


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
