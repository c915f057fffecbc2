"""A bundle as one ZIP file, and back. An archive may come from anybody: nothing in it is trusted unread."""

from __future__ import annotations

import shutil
import stat
import tempfile
import zipfile
import zlib
from pathlib import Path

from models.export.errors import BundleError
from models.export.files import CARD_FILE
from models.export.verify import FILE_NAME, parse_card, read_card
from models.export.writing import move_into_place

MAX_FILES = 65
MAX_BYTES = 4 << 30
_EPOCH = (1980, 1, 1, 0, 0, 0)
_CHUNK = 1 << 20


def pack_bundle(folder: Path, archive: Path) -> None:
    """Write a bundle to a new ZIP file, its files at the top, `card.json` first. Equal bundles give equal bytes.

    Raises:
        BundleError: the folder is no bundle, or the archive exists.
    """
    card = read_card(folder)
    if archive.exists():
        raise BundleError(f"{archive} exists; choose another name, or remove it first")
    part = archive.with_name(f".{archive.name}.part")
    try:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as file:
            for name in (CARD_FILE, *sorted(card.files)):
                entry = zipfile.ZipInfo(name, _EPOCH)
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = (stat.S_IFREG | 0o644) << 16
                with (folder / name).open("rb") as source, file.open(entry, "w") as target:
                    shutil.copyfileobj(source, target, _CHUNK)
        part.replace(archive)
    finally:
        part.unlink(missing_ok=True)


def unpack_bundle(archive: Path, parent: Path, max_bytes: int = MAX_BYTES) -> Path:
    """Put the bundle of a ZIP file into `parent`, under its id; returns its folder.

    max_bytes: of all files together, counted as they are unpacked, whatever the archive says of itself.

    Raises:
        BundleError: no ZIP file, names that lead elsewhere, links, too much of anything, a bundle that does not fit, or an id
            that is there already. Nothing is left behind.
    """
    parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".unpacking.", dir=parent))
    try:
        part = scratch / "bundle"
        part.mkdir()
        try:
            _extract(archive, part, max_bytes)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
            raise BundleError(f"{archive.name}: cannot be read as a ZIP file ({error})") from None
        except OSError as error:
            raise BundleError(f"{archive.name}: cannot be unpacked ({error.strerror or error})") from None
        folder = parent / parse_card(part / CARD_FILE, archive.name).id
        if folder.exists() or folder.is_symlink():
            raise BundleError(f"{folder} exists; remove that model first, or give this one another id")
        named = part.rename(scratch / folder.name)
        read_card(named)
        move_into_place(named, folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return folder


def _extract(archive: Path, part: Path, max_bytes: int) -> None:
    with zipfile.ZipFile(archive) as file:
        entries = file.infolist()
        if len(entries) > MAX_FILES:
            raise BundleError(f"{archive.name}: {len(entries)} entries, more than the {MAX_FILES} that a bundle may have")
        left = max_bytes
        for entry in entries:
            _check_entry(archive, entry)
            left -= _copy(file, entry, part / entry.filename, left)


def _check_entry(archive: Path, entry: zipfile.ZipInfo) -> None:
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if not FILE_NAME.fullmatch(entry.filename) or kind not in (0, stat.S_IFREG):
        raise BundleError(f"{archive.name}: {entry.filename!r} is no plain file at the top of the archive, as a bundle's are")


def _copy(file: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, limit: int) -> int:
    """Unpack one file of at most `limit` bytes; returns how many it had. A name that comes twice fails."""
    count = 0
    with file.open(entry) as source, target.open("xb") as sink:
        while chunk := source.read(_CHUNK):
            count += len(chunk)
            if count > limit:
                raise BundleError(f"{entry.filename}: the archive unpacks to more bytes than a bundle may have")
            sink.write(chunk)
    return count
