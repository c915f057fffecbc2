"""Metadata that a client sends with a file: place, time, labels, properties."""

from __future__ import annotations

import json
from typing import Annotated, Any, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from app.domain.places.geometry import GeoJSON, bbox_footprint, parse_footprint
from app.domain.tiles import MAX_LABEL_LENGTH, MAX_LABELS
from app.errors import FieldError, InvalidInput, Unprocessable

Label = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_LABEL_LENGTH, pattern=r"^[^,\x00-\x1f]+$")
]
Labels = Annotated[tuple[Label, ...], Field(max_length=MAX_LABELS)]
MAX_PROPERTIES_BYTES = 65_536
MAX_ENTRIES = 200_000
MAX_GSD = 1e6


class FileMetadata(BaseModel):
    """One entry of the `metadata` object: `{geometry? xor bbox?, datetime?, labels?, properties?}`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    geometry: GeoJSON | None = None
    bbox: tuple[float, ...] | None = None
    datetime: AwareDatetime | None = None
    labels: Labels = ()
    properties: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.geometry is not None and self.bbox is not None:
            raise ValueError("give geometry or bbox, not both")
        if len(json.dumps(self.properties)) > MAX_PROPERTIES_BYTES:
            raise ValueError(f"properties: more than {MAX_PROPERTIES_BYTES} bytes of JSON")
        try:
            self.footprint()
        except InvalidInput as error:
            raise ValueError(str(error)) from None
        return self

    @property
    def gsd(self) -> float | None:
        """The ground sample distance in metres that the property `gsd` states, as STAC does; None without one."""
        value = self.properties.get("gsd")
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return float(value) if 0 < value < MAX_GSD else None

    def footprint(self) -> GeoJSON | None:
        """The place as a normalised GeoJSON geometry, None without one."""
        if self.geometry is not None:
            return parse_footprint(self.geometry)
        return bbox_footprint(self.bbox) if self.bbox is not None else None


def parse_metadata(text: str | bytes) -> dict[str, FileMetadata]:
    """Parse the `metadata` form field: a JSON object keyed by file name.

    Raises:
        Unprocessable: not such an object; the message names every wrong field.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Unprocessable(f"metadata is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise Unprocessable("metadata: must be a JSON object keyed by file name")
    if len(document) > MAX_ENTRIES:
        raise Unprocessable(f"metadata names {len(document)} files; the limit is {MAX_ENTRIES}: send them in several uploads")
    entries: dict[str, FileMetadata] = {}
    errors: list[FieldError] = []
    for name, value in document.items():
        try:
            entries[name] = FileMetadata.model_validate(value)
        except ValidationError as error:
            errors += [FieldError(".".join(("metadata", name, *map(str, e["loc"]))), e["msg"]) for e in error.errors()]
    if errors:
        raise Unprocessable("metadata: " + "; ".join(f"{e.loc}: {e.message}" for e in errors[:3]), errors)
    return entries
