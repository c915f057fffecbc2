"""A bundle as one zip, and back. A zip may come from anybody: nothing in it is trusted unread."""

from __future__ import annotations

import io
import itertools
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path

from app.errors import DyadError, InvalidBundle, NotFound, UnreadableImage
from app.imagery.sources.archives import extract
from app.imagery.sources.file_kinds import FileKind, sniff
from models.bundle.card import ModelCard
from models.bundle.files import CARD_FILE, FILE_NAME
from models.bundle.verify import MAX_FILES

MAX_MEMBERS = 4 * MAX_FILES
"""Folders and what macOS adds are passed over, but count here."""
_EPOCH = (1980, 1, 1, 0, 0, 0)
_CHUNK = 1 << 20
_UNIX = 3


def unpack_bundle(archive: Path, folder: Path, max_bytes: int) -> None:
    """Unpack a zip's files into the new folder `folder`; they lie at its top, or all in one folder, whose name is dropped.

    Whether they are a bundle is for `check_bundle` to say. What was unpacked before an error stays: the caller removes it.

    Raises:
        InvalidBundle: no zip, a damaged one, links, names that lead elsewhere or come twice.
        TooLarge: more than `max_bytes` unpacked, a zip bomb, too many members. OutOfSpace: the disk is full.
    """
    if sniff(archive) is not FileKind.ZIP:
        raise InvalidBundle("not a model bundle: it is no zip; `dyad models export` makes one")
    folder.mkdir()
    staged: list[tuple[str, Path]] = []
    try:
        for source, member in extract(archive, "zip", folder, max_bytes, MAX_MEMBERS):
            name = source.removeprefix("zip/")
            if isinstance(member, DyadError):
                raise InvalidBundle(f"{name}: {member}")
            staged.append((name, member))
    except UnreadableImage as error:
        raise InvalidBundle(f"not a model bundle: {error}") from None
    top = _common_folder([name for name, _ in staged])
    for name, path in staged:
        inner = name.removeprefix(top)
        if not FILE_NAME.fullmatch(inner):
            raise InvalidBundle(f"{name!r} cannot be a bundle's file: they all lie at the top of the zip, or in one folder")
        path.rename(folder / inner)


def stream_bundle(folder: Path, card: ModelCard) -> Iterator[bytes]:
    """A bundle as a zip, in pieces, `card.json` first. Equal bundles give equal bytes.

    Its files are stored, not compressed: weights hardly shrink, and the same bytes come out whatever zlib there is.

    Raises:
        NotFound: a file is gone. (All are opened before this returns; then the bundle may be deleted.)
    """
    pieces = _pieces(folder, (CARD_FILE, *sorted(card.files)))
    try:
        return itertools.chain((next(pieces),), pieces)
    except OSError as error:
        raise NotFound(f"model {card.id!r} cannot be read any more ({error.strerror})") from None


def _common_folder(names: list[str]) -> str:
    """`bundle/` if every name begins so, else nothing."""
    top, slash, _ = names[0].partition("/") if names else ("", "", "")
    return f"{top}/" if slash and all(name.startswith(f"{top}/") for name in names) else ""


def _pieces(folder: Path, names: tuple[str, ...]) -> Iterator[bytes]:
    sink = _Sink()
    files = [(name, (folder / name).open("rb")) for name in names]
    try:
        yield b""  # everything is open
        with zipfile.ZipFile(sink, "w") as archive:
            for name, file in files:
                entry = zipfile.ZipInfo(name, _EPOCH)
                entry.create_system = _UNIX
                entry.external_attr = (stat.S_IFREG | 0o644) << 16
                entry.file_size = file.seek(0, io.SEEK_END)  # says whether it needs zip64
                file.seek(0)
                with archive.open(entry, "w") as target:
                    while chunk := file.read(_CHUNK):
                        target.write(chunk)
                        yield sink.take()
        yield sink.take()
    finally:
        for _, file in files:
            file.close()


class _Sink(io.RawIOBase):
    """Takes what is written until it is taken out; it cannot seek, so what comes out is final."""

    def __init__(self) -> None:
        super().__init__()
        self._held: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: object, /) -> int:
        piece = bytes(data)  # type: ignore[call-overload]
        self._held.append(piece)
        return len(piece)

    def take(self) -> bytes:
        """All that was written since the last time."""
        taken = b"".join(self._held)
        self._held.clear()
        return taken
