"""Documents of labels."""

from __future__ import annotations

from dataclasses import asdict

from pydantic import BaseModel, Field

from app.services.labels.labels import LabelImport


class LabelCount(BaseModel):
    """A label and the number of tiles that have it."""

    value: str
    count: int


class LabelList(BaseModel):
    """The labels of a collection, the most frequent first."""

    labels: list[LabelCount]


class RowNotePublic(BaseModel):
    """A row of a label file that changed nothing. `target` is what the row names, as far as it could be read."""

    line: int
    target: str
    reason: str


class LabelsImported(BaseModel):
    """Result of a label file. `unmatched` and `rejected` list the first 1000 rows each; the counts include all rows."""

    updated: int = Field(description="Tiles whose labels changed")
    unchanged: int = Field(description="Tiles that already had these labels")
    unmatched: list[RowNotePublic] = Field(description="Rows that name no tile of the collection")
    rejected: list[RowNotePublic] = Field(description="Rows that are not valid or could not be applied")
    unmatched_count: int
    rejected_count: int


def labels_document(done: LabelImport) -> LabelsImported:
    """The result of a label file."""
    return LabelsImported(
        updated=done.updated,
        unchanged=done.unchanged,
        unmatched=[RowNotePublic(**asdict(note)) for note in done.unmatched.listed],
        rejected=[RowNotePublic(**asdict(note)) for note in done.rejected.listed],
        unmatched_count=done.unmatched.count,
        rejected_count=done.rejected.count,
    )
