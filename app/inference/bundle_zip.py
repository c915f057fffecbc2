"""A bundle as one zip, and back. A zip is untrusted: all of it is checked before it is used."""

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
"""Folders and the files that macOS adds are skipped, but count."""
_EPOCH = (1980, 1, 1, 0, 0, 0)
_CHUNK = 1 << 20
_UNIX = 3


def unpack_bundle(archive: Path, folder: Path, max_bytes: int) -> None:
    """Unpack the files of a zip into the new folder `folder`; they are at its top, or all in one folder, whose name is dropped.

    `check_bundle` checks whether they are a bundle. After an error the caller removes the folder.

    Raises:
        InvalidBundle: not a zip, or a damaged one; links, names that lead out of the folder, duplicate names.
        TooLarge: more than `max_bytes` unpacked, a zip bomb, too many members. OutOfSpace: the disk is full.
    """
    if sniff(archive) is not FileKind.ZIP:
        raise InvalidBundle("not a model bundle: the file is not a zip; `dyad models export` writes one")
    folder.mkdir()
    staged: list[tuple[str, Path]] = []
    try:
        for source, member in extract(archive, "zip", folder, max_bytes, MAX_MEMBERS, with_zips=True):
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
            raise InvalidBundle(
                f"{name!r} cannot be a bundle's file: put all files at the top of the zip, or all in one folder"
            )
        path.rename(folder / inner)


def stream_bundle(folder: Path, card: ModelCard) -> Iterator[bytes]:
    """A bundle as a zip, in chunks, `card.json` first. Equal bundles give equal bytes.

    Its files are stored, not compressed: weights hardly shrink, and the bytes do not depend on the version of zlib.

    Raises:
        NotFound: a file is missing. (All are opened before this returns; then the bundle may be deleted.)
    """
    pieces = _pieces(folder, (CARD_FILE, *sorted(card.files)))
    try:
        return itertools.chain((next(pieces),), pieces)
    except OSError as error:
        raise NotFound(f"model {card.id!r} cannot be read; was it deleted? ({error.strerror})") from None


def _common_folder(names: list[str]) -> str:
    """`bundle/` if every name begins so, else nothing."""
    top, slash, _ = names[0].partition("/") if names else ("", "", "")
    return f"{top}/" if slash and all(name.startswith(f"{top}/") for name in names) else ""


def _pieces(folder: Path, names: tuple[str, ...]) -> Iterator[bytes]:
    sink = _Sink()
    files = [(name, (folder / name).open("rb")) for name in names]
    try:
        yield b""  # all files are open
        with zipfile.ZipFile(sink, "w") as archive:
            for name, file in files:
                entry = zipfile.ZipInfo(name, _EPOCH)
                entry.create_system = _UNIX
                entry.external_attr = (stat.S_IFREG | 0o644) << 16
                entry.file_size = file.seek(0, io.SEEK_END)  # decides whether it needs zip64
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
    """A buffer that is written by the zip and emptied by `take`; it cannot seek, so its bytes are final."""

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
        """All bytes since the last call."""
        taken = b"".join(self._held)
        self._held.clear()
        return taken
