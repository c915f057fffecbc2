"""The classes of a collection: which of its labels a training can learn."""

from __future__ import annotations

from dataclasses import dataclass

from app.domain.held_out import is_held_out
from app.domain.search import TileFilter
from app.errors import InvalidInput
from app.ports import VectorStore

ENOUGH = 2
"""Tiles of a class, beside those that are held out: with one alone nothing can be compared."""
MAX_CLASSES = 10_000
_PAGE = 16
_NAMED = 10


@dataclass(frozen=True, slots=True)
class Classes:
    """kept: labels that enough tiles have, sorted. left_out: those that too few have, sorted."""

    kept: tuple[str, ...]
    left_out: tuple[str, ...]


def find_classes(vectors: VectorStore, index: str) -> Classes:
    """The labels in an index, those of held-out tiles not counted.

    Raises:
        NotFound: no such index.
    """
    labels = [label for label, _ in vectors.facet(index, "labels", filter=TileFilter(), limit=MAX_CLASSES)]
    kept = {label for label in labels if _has_enough(vectors, index, label)}
    return Classes(tuple(sorted(kept)), tuple(sorted(set(labels) - kept)))


def check_classes(collection_id: str, classes: Classes) -> None:
    """See that there is something to learn.

    Raises:
        InvalidInput: fewer than two classes; the message says what is missing.
    """
    if len(classes.kept) > 1:
        return
    wanted = f"give {ENOUGH} tiles or more of each of two classes a label (one tile in five is held out for judging)"
    if classes.kept:
        found = f"only {classes.kept[0]!r} has labelled tiles enough"
    elif classes.left_out:
        found = "no label has tiles enough"
    else:
        found = "no tile has a label"
    few = f"; too few have {name_some(classes.left_out)}" if classes.left_out else ""
    raise InvalidInput(f"collection {collection_id!r} cannot be trained on: {found}{few}; {wanted}")


def name_some(names: tuple[str, ...]) -> str:
    """Names for a person; of many the first."""
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")


def _has_enough(vectors: VectorStore, index: str, label: str) -> bool:
    found, after = 0, None
    while found < ENOUGH:
        page = vectors.scroll(index, limit=_PAGE, filter=TileFilter(labels=(label,)), after=after)
        found += sum(not is_held_out(tile.id) for tile in page.tiles)
        after = page.after
        if after is None:
            break
    return found >= ENOUGH
