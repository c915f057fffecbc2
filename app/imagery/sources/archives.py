"""Unpacks zips of images and models member by member, without trusting the sizes, names and counts in their headers.

Own checks around `zipfile`, which has none against zip bombs and huge directories.
"""

from __future__ import annotations

import os
import secrets
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from app.atomic_files import is_full_disk
from app.domain.naming.file_names import what_is_wrong_with_path
from app.errors import DyadError, InvalidInput, OutOfSpace, TooLarge, UnreadableImage
from app.imagery.sources.file_kinds import MAX_STAC_BYTES, FileKind, sniff
from app.imagery.sources.sidecars import MAX_PLACE_BYTES, image_key, is_junk, is_sidecar, place_key
from app.ports.stopping import check_stop

CHUNK = 1024 * 1024
MAX_MEMBERS = 1_000_000
MAX_DIRECTORY_BYTES = 256 * 1024 * 1024
MEMBER_BYTES = 1024
"""Bytes of the central directory allowed for each member; names are rarely longer than a tenth of it."""
MAX_RATIO = 200
"""Highest compression ratio; images and models stay below it. Checked after `RATIO_FREE_BYTES` are unpacked."""
RATIO_FREE_BYTES = 64 * 1024 * 1024
_MEMBER_ERRORS = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, ValueError, struct.error)


def extract(
    path: Path,
    name: str,
    into: Path,
    max_bytes: int,
    max_members: int = MAX_MEMBERS,
    members: tuple[int, int] | None = None,
    *,
    with_zips: bool = False,
) -> Iterator[tuple[str, Path | DyadError]]:
    """Unpack a zip one member at a time: source name (`archive.zip/folder/x.jpg`), and the staged file or an error.

    name: of the archive. into: an existing folder for the staged files, whose names are random; the caller deletes each.
    max_bytes: limit for all members together. max_members: limit of their number; folders, hidden files, sidecars and macOS
    metadata are counted but skipped. members: only those from the first number to before the second, see `count_members`.
    with_zips: whether members that are zips are staged as they are, as NumPy's `.npz`, instead of refused.
    The world file and the CRS file of an image are staged beside it as `.wld` and `.prj`, see `staged_place_files`.

    Raises:
        UnreadableImage: not a zip, or damaged. TooLarge: more than `max_bytes` unpacked, too high a compression ratio (a zip
            bomb), or too many members. OutOfSpace: the disk is full.
    """
    first, end = members or (0, max_members)
    with _opened(path, max_members) as archive:
        wanted = _wanted(archive)
        budget = _Budget(max_bytes, path.stat().st_size)
        budget.check(sum(member.file_size for member in wanted))
        places = _places(archive)
        seen: set[str] = set()
        for number, member in enumerate(wanted[:end]):
            source = f"{name}/{member.filename}"
            try:
                _check_member(member, seen)
                seen.add(member.filename)
                if number < first:
                    continue
                staged = _unpack(archive, member, into, budget, with_zips=with_zips)
                _stage_places(archive, places.get(image_key(member.filename), {}), staged, budget)
            except (InvalidInput, UnreadableImage) as error:
                if number >= first:
                    yield source, error
                continue
            yield source, staged


def count_members(path: Path, max_members: int = MAX_MEMBERS) -> int:
    """Number of members that `extract` yields.

    Raises:
        UnreadableImage, TooLarge: as `extract`.
    """
    with _opened(path, max_members) as archive:
        return len(_wanted(archive))


def has_stac_members(path: Path, max_members: int = MAX_MEMBERS) -> bool:
    """Whether a zip contains a STAC document."""
    with _opened(path, max_members) as archive:
        for member in _wanted(archive):
            if not member.filename.lower().endswith((".json", ".geojson", ".ndjson")):
                continue
            try:
                with archive.open(member) as file:
                    if sniff(file.read(MAX_STAC_BYTES)) is FileKind.STAC:
                        return True
            except (*_MEMBER_ERRORS, OSError):  # reported when it is unpacked
                continue
    return False


def _opened(path: Path, max_members: int) -> zipfile.ZipFile:
    _check_directory(path, max_members)
    try:
        archive = zipfile.ZipFile(path)
    except _MEMBER_ERRORS as error:
        raise UnreadableImage(f"the zip is damaged or cut short ({error}); create it again") from None
    if len(archive.infolist()) > max_members:  # the header may be wrong
        archive.close()
        raise _too_many(max_members)
    return archive


def _wanted(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    return [member for member in archive.infolist() if not _is_skipped(member) and not is_sidecar(member.filename)]


def _places(archive: zipfile.ZipFile) -> dict[str, dict[str, zipfile.ZipInfo]]:
    """The world files and CRS files of an archive by the key of their image and the suffix under which they are staged."""
    found: dict[str, dict[str, zipfile.ZipInfo]] = {}
    for member in archive.infolist():
        key = None if _is_skipped(member) else place_key(member.filename)
        if key is not None and member.file_size <= MAX_PLACE_BYTES:
            found.setdefault(key[0], {}).setdefault(key[1], member)
    return found


def _stage_places(archive: zipfile.ZipFile, places: dict[str, zipfile.ZipInfo], image: Path, budget: _Budget) -> None:
    """Unpack the world file and the CRS file of an image beside it. One that is damaged is ignored."""
    for suffix, member in places.items():
        try:
            _check_member(member, set())
            _unpack(archive, member, image.parent, budget).rename(image.with_suffix(suffix))
        except (InvalidInput, UnreadableImage):
            continue


def staged_place_files(image: Path) -> list[Path]:
    """The world file and the CRS file that are staged beside a staged image, which has no suffix."""
    return [path for path in (image.with_suffix(".prj"), image.with_suffix(".wld")) if path != image and path.is_file()]


class _Budget:
    """Limits the bytes that are unpacked from an archive."""

    def __init__(self, max_bytes: int, packed: int) -> None:
        self._max_bytes, self._packed, self._used = max_bytes, packed, 0

    def spend(self, size: int) -> None:
        """Count bytes that were really unpacked."""
        self._used += size
        self.check(self._used)

    def check(self, size: int) -> None:
        if size > self._max_bytes:
            raise TooLarge(f"the zip unpacks to more than {self._max_bytes >> 20} MiB (DYAD_MAX_UPLOAD_MB); send it in parts")
        if size > RATIO_FREE_BYTES and size > MAX_RATIO * self._packed:
            raise TooLarge(
                f"the zip unpacks to more than {MAX_RATIO} times its size, more than images or models do; if it is"
                " correct, pack it without compression"
            )


def _is_skipped(member: zipfile.ZipInfo) -> bool:
    parts = PurePosixPath(member.filename).parts
    return member.is_dir() or any(part != ".." and is_junk(part) for part in parts)


def _check_member(member: zipfile.ZipInfo, seen: set[str]) -> None:
    name = member.filename
    wrong = what_is_wrong_with_path(name, "archive")
    if wrong is not None:
        raise InvalidInput(wrong)
    if name in seen:
        raise InvalidInput("the archive has this name twice; only the first is used")
    if member.flag_bits & 0x1:
        raise UnreadableImage("encrypted; pack it without a password")
    mode = member.external_attr >> 16
    if mode and not stat.S_ISREG(mode) and stat.S_IFMT(mode):
        raise InvalidInput("a link or device, not a file; pack the file itself")


def _unpack(archive: zipfile.ZipFile, member: zipfile.ZipInfo, into: Path, budget: _Budget, *, with_zips: bool = False) -> Path:
    staged = into / secrets.token_hex(16)
    try:
        with archive.open(member) as source, staged.open("xb") as target:
            while chunk := source.read(CHUNK):
                check_stop()
                budget.spend(len(chunk))
                target.write(chunk)
        if not with_zips and sniff(staged) is FileKind.ZIP:
            raise InvalidInput("a zip within a zip is not unpacked; send it separately")
    except _MEMBER_ERRORS as error:
        staged.unlink(missing_ok=True)
        raise UnreadableImage(f"damaged within the zip ({error}); pack it again") from None
    except OSError as error:
        staged.unlink(missing_ok=True)
        why = "the disk is full" if is_full_disk(error) else os.strerror(error.errno or 0)
        raise OutOfSpace(f"the zip cannot be unpacked into {into}: {why}; make room and try again") from None
    except DyadError:
        staged.unlink(missing_ok=True)
        raise
    return staged


def _check_directory(path: Path, max_members: int) -> None:
    """Refuse an archive whose central directory would fill the memory, before it is read."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 66_000))
        tail = file.read()
    end = tail.rfind(b"PK\x05\x06")
    if end < 0 or len(tail) < end + 22:
        raise UnreadableImage("the zip is cut short: its central directory is missing; send it again")
    members, directory = struct.unpack("<HI", tail[end + 10 : end + 16])
    big = end - 76  # zip64: its record, then 20 bytes that point there; `zipfile` looks nowhere else
    if big >= 0 and tail[big : big + 4] == b"PK\x06\x06" and tail[end - 20 : end - 16] == b"PK\x06\x07":
        members, directory = struct.unpack("<QQ", tail[big + 32 : big + 48])
    if members > max_members or directory > min(MAX_DIRECTORY_BYTES, max_members * MEMBER_BYTES):
        raise _too_many(max_members)


def _too_many(max_members: int) -> TooLarge:
    return TooLarge(f"the zip has more members than the limit of {max_members}; send it in parts")
