"""The classes of a collection: labels with enough tiles for training."""

from __future__ import annotations

from dataclasses import dataclass

from app.domain.held_out import is_held_out
from app.domain.queries.search import TileFilter
from app.errors import InvalidInput
from app.ports import VectorStore

ENOUGH = 2
"""Minimum number of tiles per class, without held-out tiles: metric learning needs pairs within a class."""
MAX_CLASSES = 10_000
_PAGE = 16
_NAMED = 10


@dataclass(frozen=True, slots=True)
class Classes:
    """The labels of a collection. kept: labels with enough tiles, sorted. left_out: labels with too few tiles, sorted."""

    kept: tuple[str, ...]
    left_out: tuple[str, ...]


def find_classes(vectors: VectorStore, index: str) -> Classes:
    """The labels in an index, by whether they have enough tiles; held-out tiles do not count.

    Raises:
        NotFound: no such index.
    """
    labels = [label for label, _ in vectors.facet(index, "labels", filter=TileFilter(), limit=MAX_CLASSES)]
    kept = {label for label in labels if _has_enough(vectors, index, label)}
    return Classes(tuple(sorted(kept)), tuple(sorted(set(labels) - kept)))


def check_classes(collection_id: str, classes: Classes) -> None:
    """Check that there are at least two classes.

    Raises:
        InvalidInput: there are fewer; the message explains what is missing.
    """
    if len(classes.kept) > 1:
        return
    wanted = f"label {ENOUGH} or more tiles of each of two classes (one tile in five is held out for evaluation)"
    if classes.kept:
        found = f"only {classes.kept[0]!r} has enough labelled tiles"
    elif classes.left_out:
        found = "no label has enough tiles"
    else:
        found = "no tile has a label"
    few = f"; too few have {name_some(classes.left_out)}" if classes.left_out else ""
    raise InvalidInput(f"collection {collection_id!r} cannot be trained on: {found}{few}; {wanted}")


def name_some(names: tuple[str, ...]) -> str:
    """A list of names for a message, shortened to the first `_NAMED` names."""
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
