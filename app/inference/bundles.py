"""Model bundles: a folder of `card.json`, `encoder.onnx` and what else the card declares. Nothing in it is trusted unread."""

from __future__ import annotations

import hashlib
import math
import re
from pathlib import Path

from pydantic import ValidationError

from app.domain.cards import ENCODER_FILE, FORMAT, QUERY_HALF_FILE, TAIL_FILE, ModelCard
from app.errors import InvalidBundle

CARD_FILE = "card.json"
MAX_CARD_BYTES = 1 << 20
MAX_FILE_BYTES = 2 << 30
MAX_FILES = 64
FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


def read_bundle(folder: Path) -> ModelCard:
    """Check a bundle's card and files, and return the card. `app.inference.onnx.check_bundle` looks at the graph as well.

    Raises:
        InvalidBundle: the card is absent, malformed or of a newer format; a file is absent, undeclared, a link, too large or
            not the one whose sha256 the card declares. The message names it.
    """
    card = _read_card(folder)
    _check_card(folder, card)
    _check_listing(folder, card)
    for name, digest in card.files.items():
        found = _sha256(folder / name)
        if found != digest.lower():
            raise InvalidBundle(
                f"{folder.name}: {name} has sha256 {found}, but {CARD_FILE} says {digest}; copy the bundle again"
            )
    return card


def fingerprint(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Names, sizes and modification times of a folder's entries: equal means that it need not be read again.

    Raises:
        InvalidBundle: the folder cannot be read.
    """
    try:
        stats = [(path.name, path.lstat()) for path in folder.iterdir()]
    except OSError as error:
        raise InvalidBundle(f"{folder.name}: cannot be read ({error.strerror})") from None
    return tuple(sorted((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats))


def _read_card(folder: Path) -> ModelCard:
    path = folder / CARD_FILE
    if path.is_symlink() or not path.is_file():
        raise InvalidBundle(f"{folder.name}: there is no {CARD_FILE} in it")
    try:
        with path.open("rb") as file:
            content = file.read(MAX_CARD_BYTES + 1)
    except OSError as error:
        raise InvalidBundle(f"{folder.name}: {CARD_FILE} cannot be read ({error.strerror})") from None
    if len(content) > MAX_CARD_BYTES:
        raise InvalidBundle(f"{folder.name}: {CARD_FILE} has more than {MAX_CARD_BYTES} bytes")
    try:
        return ModelCard.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InvalidBundle(f"{folder.name}: {CARD_FILE}: {f'{where}: ' if where else ''}{first['msg']}") from None


def _check_card(folder: Path, card: ModelCard) -> None:
    """What the fields' own types do not say."""
    reason = None
    bands = len(card.bands)
    scale = card.normalisation
    if card.format != FORMAT:
        reason = f"format {card.format} is not the format {FORMAT} that this version reads"
    elif card.kind != "onnx":
        reason = f"kind {card.kind!r} cannot come as a bundle; only 'onnx' can"
    elif scale is not None and not (len(scale.mean) == len(scale.std) == bands):
        reason = f"normalisation: {len(scale.mean)} means and {len(scale.std)} stds for {bands} bands"
    elif scale is not None and not all(math.isfinite(mean) for mean in scale.mean):
        reason = "normalisation: a mean is not a finite number"
    elif scale is not None and not all(math.isfinite(std) and std > 0 for std in scale.std):
        reason = "normalisation: a std is not a finite number above 0"
    elif ENCODER_FILE not in card.files:
        reason = f"files: {ENCODER_FILE} is not declared"
    elif len(card.files) > MAX_FILES:
        reason = f"files: {len(card.files)}, more than {MAX_FILES}"
    else:
        reason = _matcher_contradicts(card)
    if reason is not None:
        raise InvalidBundle(f"{folder.name}: {CARD_FILE}: {reason}")


def _matcher_contradicts(card: ModelCard) -> str | None:
    """What the rest of a card says against its matcher."""
    if card.matcher is None:
        return None
    missing = next((name for name in (QUERY_HALF_FILE, TAIL_FILE) if name not in card.files), None)
    if missing is not None:
        return f"files: there is a matcher, but {missing} is not declared"
    if card.pair_dimension != card.matcher.half_dimension:
        return f"pair_dimension is {card.pair_dimension}, but matcher.half_shape has {card.matcher.half_dimension} numbers"
    return None


def _check_listing(folder: Path, card: ModelCard) -> None:
    """Exactly the declared files, plain ones, directly in the folder."""
    for name in card.files:
        path = folder / name
        if not FILE_NAME.fullmatch(name) or name == CARD_FILE:
            raise InvalidBundle(f"{folder.name}: {CARD_FILE}: files: {name!r} cannot be the name of a bundle's file")
        if path.is_symlink() or not path.is_file():
            raise InvalidBundle(f"{folder.name}: {name} is declared in {CARD_FILE}, but there is no such plain file")
        if path.stat().st_size > MAX_FILE_BYTES:
            raise InvalidBundle(f"{folder.name}: {name} has more than {MAX_FILE_BYTES} bytes")
    undeclared = sorted({path.name for path in folder.iterdir()} - {CARD_FILE, *card.files})
    if undeclared:
        raise InvalidBundle(f"{folder.name}: {undeclared[0]} is not declared in {CARD_FILE}; remove it or declare its sha256")


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InvalidBundle(f"{path.parent.name}: {path.name} cannot be read ({error.strerror})") from None
