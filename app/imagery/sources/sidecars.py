"""Sidecars: files beside an image that describe it (world files, overviews, masks, metadata) and are never imagery."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

WORLD_FILES = (
    ".tfw", ".tifw", ".tiffw", ".tfwx", ".jgw", ".jpgw", ".jpegw", ".jgwx", ".pgw", ".pngw", ".pgwx", ".wpw", ".webpw",
    ".j2w", ".wld",
)  # fmt: skip
SIDECARS = (
    *WORLD_FILES, ".prj", ".aux.xml", ".aux", ".ovr", ".msk", ".rrd", ".rpb", "_rpc.txt", ".imd",
    ".tif.xml", ".tiff.xml", ".jpg.xml", ".jpeg.xml", ".png.xml", ".jp2.xml",
)  # fmt: skip
JUNK = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx"})
MAX_PLACE_BYTES = 1 << 20
"""A larger file is not a world file or the text of a CRS."""


def is_sidecar(name: str) -> bool:
    """Whether a file of this name describes an image beside it. Case is ignored."""
    return name.lower().endswith(SIDECARS)


def is_junk(name: str) -> bool:
    """Whether a file or folder of this name is hidden, or written by an operating system for itself. Case is ignored."""
    return name.startswith(".") or name.lower() in JUNK


def place_key(name: str) -> tuple[str, str] | None:
    """For a world file or CRS file: the path of its image without suffix, lower case, and the suffix under which it is staged
    beside the image (`.wld` or `.prj`). None for any other file.
    """
    folded = name.lower()
    if folded.endswith(".prj"):
        return folded.removesuffix(".prj"), ".prj"
    ending = next((each for each in WORLD_FILES if folded.endswith(each)), None)
    return None if ending is None else (folded.removesuffix(ending), ".wld")


def image_key(name: str) -> str:
    """The path of an image without suffix, lower case, as in `place_key`."""
    return str(PurePosixPath(name.lower()).with_suffix("")) if PurePosixPath(name).name else name.lower()


def described_images(name: str) -> set[str]:
    """The keys of images that a sidecar may describe: `a.tif.ovr` and `a.ovr` describe `a`."""
    folded = name.lower()
    stem = next((folded.removesuffix(ending) for ending in SIDECARS if folded.endswith(ending)), folded)
    return {stem, image_key(stem)}


def place_files(image: Path) -> list[Path]:
    """The world files and CRS files on disk beside an image, in lower or upper case, sorted."""
    suffixes = (*WORLD_FILES, ".prj")
    beside = (image.with_suffix(each) for suffix in suffixes for each in (suffix, suffix.upper()))
    return sorted(path for path in beside if path != image and path.is_file())
