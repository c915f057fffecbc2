"""What a file of labels did, as clients see it."""

from __future__ import annotations

from dataclasses import asdict

from pydantic import BaseModel

from app.services.labels.labels import LabelImport


class RowNotePublic(BaseModel):
    """A row of a file of labels that changed nothing; target: what it names, as far as that is known."""

    line: int
    target: str
    reason: str


class LabelsImported(BaseModel):
    """What a file of labels did.

    updated: tiles that have other labels now. unchanged: tiles that had these already. unmatched: rows that mean no tile.
    rejected: rows that cannot be understood or done. Of both the first 1000 are listed, and all are counted.
    """

    updated: int
    unchanged: int
    unmatched: list[RowNotePublic]
    rejected: list[RowNotePublic]
    unmatched_count: int
    rejected_count: int


def labels_document(done: LabelImport) -> LabelsImported:
    """What a file of labels did."""
    return LabelsImported(
        updated=done.updated,
        unchanged=done.unchanged,
        unmatched=[RowNotePublic(**asdict(note)) for note in done.unmatched.listed],
        rejected=[RowNotePublic(**asdict(note)) for note in done.rejected.listed],
        unmatched_count=done.unmatched.count,
        rejected_count=done.rejected.count,
    )
