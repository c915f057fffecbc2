"""Zips of bundles, good and hostile."""

from __future__ import annotations

import stat
import struct
import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

Entries = Mapping[str, bytes]


def packed(folder: Path, archive: Path, *, top: str = "", more: Entries | None = None) -> Path:
    """A bundle's files in a zip, all in the folder `top`, and `more` entries as they are named."""
    with zipfile.ZipFile(archive, "w") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a name that comes twice
        for path in sorted(folder.iterdir()):
            file.writestr(zipfile.ZipInfo(top + path.name), path.read_bytes())  # without the time of the file
        for name, data in (more or {}).items():
            file.writestr(zipfile.ZipInfo(name), data)
    return archive


def with_link(folder: Path, archive: Path) -> Path:
    """A bundle and a symbolic link to a file of the system."""
    packed(folder, archive)
    entry = zipfile.ZipInfo("weights.safetensors")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(archive, "a") as file:
        file.writestr(entry, b"/etc/passwd")
    return archive


def with_bomb(folder: Path, archive: Path) -> Path:
    """A bundle and 100 MB of zeros in 100 kB."""
    packed(folder, archive)
    with zipfile.ZipFile(archive, "a", zipfile.ZIP_DEFLATED) as file:
        file.writestr("weights.safetensors", bytes(100_000_000))
    return archive


def with_lying_end(folder: Path, archive: Path) -> Path:
    """A bundle among more entries than the end of the archive admits."""
    packed(folder, archive, more={f"f{number}": b"" for number in range(300)})
    data = bytearray(archive.read_bytes())
    end = data.rindex(b"PK\x05\x06")
    data[end + 8 : end + 12] = struct.pack("<HH", 3, 3)
    archive.write_bytes(data)
    return archive


def encrypted(folder: Path, archive: Path) -> Path:
    """A bundle whose entries say that they are encrypted."""
    data = bytearray(packed(folder, archive).read_bytes())
    at = 0
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        while (at := data.find(signature, at)) >= 0:
            data[at + offset] |= 1
            at += 4
        at = 0
    archive.write_bytes(data)
    return archive


def damaged(folder: Path, archive: Path) -> Path:
    """A bundle with a byte of a file turned over."""
    data = bytearray(packed(folder, archive).read_bytes())
    data[len(data) // 2] ^= 0xFF
    archive.write_bytes(data)
    return archive


def cut_short(folder: Path, archive: Path) -> Path:
    """The first half of a zip."""
    data = packed(folder, archive).read_bytes()
    archive.write_bytes(data[: len(data) // 2])
    return archive


def no_zip(folder: Path, archive: Path) -> Path:
    """Something else."""
    archive.write_bytes(b"GIF89a" + bytes(1000))
    return archive


def extra(entries: Entries) -> Callable[[Path, Path], Path]:
    """A bundle with more entries."""
    return lambda folder, archive: packed(folder, archive, more=entries)


HOSTILE: dict[str, tuple[Callable[[Path, Path], Path], str]] = {
    "up and out": (extra({"../evil": b"evil"}), "leads out of the archive"),
    "absolute": (extra({"/tmp/evil": b"evil"}), "leads out of the archive"),
    "backslash": (extra({"a\\..\\..\\evil": b"evil"}), "leads out of the archive"),
    "drive": (extra({"C:\\evil": b"evil"}), "leads out of the archive"),
    "control character": (extra({"a\nb": b"evil"}), "the control character"),
    "folder within": (extra({"sub/evil": b"evil"}), "cannot be a bundle's file"),
    "undeclared": (extra({"evil.py": b"evil"}), r"evil.py is not declared"),
    "twice": (extra({"card.json": b"{}"}), "has this name twice"),
    "zip within": (extra({"weights.safetensors": b"PK\x05\x06" + bytes(18)}), "zip within a zip|is not declared"),
    "too many": (extra({f"f{number}": b"" for number in range(300)}), "more members than the limit of 256"),
    "too many, and a lie": (with_lying_end, "more members than the limit of 256"),
    "link": (with_link, "a link or device"),
    "bomb": (with_bomb, "200 times its size"),
    "encrypted": (encrypted, "without a password"),
    "damaged": (damaged, "damaged within the zip|has sha256"),
    "cut short": (cut_short, "cut short"),
    "no zip": (no_zip, "the file is not a zip"),
}
"""How to make a zip of a bundle that must be refused, and what the refusal says."""
