"""Which assets of a STAC Item are imagery, and which of these are one file of a band."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

import pystac

_DATA_ROLES = frozenset({"data", "visual"})
_NEVER_ROLES = frozenset(
    {"thumbnail", "metadata", "mask", "data-mask", "cloud", "cloud-shadow", "snow-ice", "water-mask", "land-water"}
)
_PREVIEWS = frozenset({"thumbnail", "preview", "rendered_preview", "pvi", "browse", "quicklook", "reduced_resolution_browse"})
_MASKS = frozenset(
    [
        "scl",
        "aot",
        "wvp",
        "cld",
        "snw",
        "cldprb",
        "snwprb",
        "msk_cldprb",
        "msk_snwprb",
        "qa",
        "qa_pixel",
        "qa_radsat",
        "qa_aerosol",
        "sr_qa_aerosol",
        "sr_cloud_qa",
        "st_qa",
        "pixel_qa",
        "radsat_qa",
        "mask",
        "data_mask",
        "datamask",
        "cloud_mask",
        "cloudmask",
        "fmask",
        "udm",
        "udm2",
        "ortho_udm2",
        "vaa",
        "vza",
        "saa",
        "sza",
    ]
)
_IMAGE_ENDINGS = (".tif", ".tiff", ".jpg", ".jpeg", ".png", ".webp", ".jp2", ".cog")
_OTHER_ENDINGS = (
    ".json", ".geojson", ".xml", ".html", ".txt", ".csv", ".pdf", ".parquet", ".zip", ".nc", ".h5", ".hdf", ".zarr", ".gpkg",
    ".kml", ".safe", ".vrt", ".las", ".laz", ".mp4",
)  # fmt: skip
_COMMON = frozenset(
    [
        "coastal",
        "blue",
        "green",
        "yellow",
        "red",
        "rededge",
        "rededge071",
        "rededge075",
        "rededge078",
        "rededge1",
        "rededge2",
        "rededge3",
        "nir",
        "nir08",
        "nir09",
        "cirrus",
        "swir16",
        "swir22",
        "pan",
        "lwir",
        "lwir11",
        "lwir12",
    ]
)
_SENTINEL_2 = {"2": "blue", "3": "green", "4": "red", "8": "nir", "8a": "nir08", "11": "swir16", "12": "swir22"}
_LANDSAT = {"2": "blue", "3": "green", "4": "red", "5": "nir08", "6": "swir16", "7": "swir22"}
_NUMBERED = re.compile(r"(sr_)?b(?:and)?_?0?(\d{1,2}a?)")
_RESOLUTION = re.compile(r"[_-]\d{2,3}m$")


@dataclass(frozen=True, slots=True)
class StacImage:
    """An asset that is imagery, with its local path or its URL.

    band: name of the band if the asset is a file of one band, else None. common: the band's common name (`red`) if known.
    """

    key: str
    path: Path | None = None
    url: str | None = None
    band: str | None = None
    common: str | None = None
    is_jpeg2000: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The names by which a collection may select the band, lower case."""
        return tuple(name.lower() for name in (self.common, self.band, self.key) if name)


def why_not_imagery(key: str, asset: pystac.Asset) -> str | None:  # noqa: PLR0911 - one return for each rule
    """Why an asset is not imagery: its roles, media type, file name or meaning; None if it is."""
    roles, media = {str(role).lower() for role in asset.roles or ()}, str(asset.media_type or "").lower()
    never = roles & _NEVER_ROLES
    if never:
        return f"it has the role {sorted(never)[0]}"
    if "overview" in roles and not roles & _DATA_ROLES:
        return "it has the role overview"
    if _is_mask(key, asset):
        return "it is a mask or class map"
    if key.lower() in _PREVIEWS and not roles & _DATA_ROLES:
        return "it is a preview"
    ending = PurePosixPath(unquote(urlsplit(str(asset.href)).path)).suffix.lower()
    if media.startswith("image/") or "tif" in media:
        return None
    if media and media not in ("application/octet-stream", "binary/octet-stream"):
        return f"its media type is {media[:100]}"
    if ending in _OTHER_ENDINGS:
        return f"it is a {ending} file"
    if roles & _DATA_ROLES or ending in _IMAGE_ENDINGS:
        return None
    return "it has no role data or visual, no image media type, and no file name of an image"


def image_of(key: str, asset: pystac.Asset, path: Path | None, url: str | None) -> StacImage:
    """The image of an asset, with the band that its fields or, without these, its key name."""
    described = _described(asset)
    is_jpeg2000 = "jp2" in str(asset.media_type or "").lower() or str(asset.href).lower().endswith((".jp2", ".j2k"))
    if len(described) > 1:
        return StacImage(key, path, url, is_jpeg2000=is_jpeg2000)
    band = described[0] if described else {}
    name = band.get("name") if isinstance(band.get("name"), str) else None
    common = next((value for value in (band.get("common_name"), band.get("eo:common_name")) if isinstance(value, str)), None)
    common = (common or _common(name) or _common(key) or "").lower() or None
    is_band = bool(described) or common is not None
    return StacImage(key, path, url, (name or key) if is_band else None, common if is_band else None, is_jpeg2000)


def _described(asset: pystac.Asset) -> list[dict[str, Any]]:
    """The bands of an asset: `eo:bands`, `bands` of STAC 1.1, or `raster:bands`."""
    fields = asset.extra_fields
    for name in ("eo:bands", "bands", "raster:bands"):
        value = fields.get(name)
        if isinstance(value, list) and value and all(isinstance(band, dict) for band in value):
            return value
    return []


def _common(name: str | None) -> str | None:
    """The common name that a key or band name stands for: `red`, `B04`, `SR_B4`, `red-jp2`."""
    text = _RESOLUTION.sub("", (name or "").lower().removesuffix("-jp2"))
    if text in _COMMON:
        return text
    match = _NUMBERED.fullmatch(text)
    if match is None:
        return None
    return (_LANDSAT if match[1] else _SENTINEL_2).get(match[2]) or text


def _is_mask(key: str, asset: pystac.Asset) -> bool:
    if _has_classes(asset.extra_fields):
        return True
    described = _described(asset)
    if described and all(map(_has_classes, described)):
        return True
    stem = PurePosixPath(unquote(urlsplit(str(asset.href)).path)).stem
    names = [key, *(str(band.get("name")) for band in described[:1] if len(described) == 1 and band.get("name"))]
    return any(is_mask_name(name) for name in (*names, stem))


def is_mask_name(name: str) -> bool:
    """Whether a key, band name or file name without suffix is that of a mask or class map: `SCL`, `T33UVP_..._SCL_20m`."""
    text = _RESOLUTION.sub("", name.lower().removesuffix("-jp2"))
    return (
        text in _MASKS
        or text.rsplit("_", 1)[-1] in {"scl", "aot", "wvp", "cld", "snw", "udm", "udm2", "fmask"}
        or any(text.endswith(f"_{ending}") for ending in ("qa_pixel", "qa_radsat", "qa_aerosol", "pixel_qa", "radsat_qa"))
    )


def _has_classes(fields: dict[str, Any]) -> bool:
    return bool(fields.get("classification:classes") or fields.get("classification:bitfields"))
