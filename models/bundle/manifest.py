"""`manifest.json`: what the service asks a training or evaluation program to do, written beside the arrays of a collection."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

MANIFEST = "manifest.json"
ARCHIVE = 4000
"""Maximum number of unlabelled tiles among which labelled tiles are ranked to calibrate a head."""


class Manifest(BaseModel):
    """One request. bundle: folder of the model that computed the vectors. classes: names of the label columns, in order.

    id, title: of the model to train. collection: id of the collection that the tiles belong to. recipe: fields that replace the
    defaults. Unknown fields are ignored.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    bundle: Path
    classes: tuple[str, ...]
    id: str = ""
    title: str = ""
    collection: str = ""
    seed: Annotated[int, Field(ge=0)] = 0
    recipe: dict[str, Any] = Field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Write `manifest.json` into a folder."""
        (folder / MANIFEST).write_text(self.model_dump_json(), encoding="utf-8")
