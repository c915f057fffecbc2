"""Pages of items, by id or sorted, with their tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.api.page_tokens import decode_after, decode_place, encode_after, encode_place
from app.domain.places.crs import Crs
from app.domain.queries.search import TileFilter
from app.domain.queries.sorting import SortKey
from app.domain.tiles import Tile
from app.errors import InvalidInput
from app.services.catalogue.items import ItemService
from app.services.catalogue.property_types import PropertyTypes


@dataclass(frozen=True, slots=True)
class ItemPage:
    """Items of one page. matched: number of items of all pages. token: of the next page, None after the last one."""

    tiles: Sequence[Tile]
    matched: int
    token: str | None


def read_page(
    items: ItemService,
    collection_id: str,
    filter: TileFilter,
    sortby: tuple[SortKey, ...],
    limit: int,
    token: str | None,
) -> ItemPage:
    """A page of the items of a collection.

    Raises:
        NotFound: the collection. InvalidInput: the token.
    """
    if sortby:
        tiles, following, matched = items.sorted_page(collection_id, filter, sortby, limit, decode_place(token))
        return ItemPage(tiles, matched, None if following is None else encode_place(following))
    page, matched = items.page(collection_id, filter, limit, decode_after(token))
    return ItemPage(page.tiles, matched, None if page.after is None else encode_after(page.after))


def refuse_crs(crs: Crs) -> None:
    """Check that no system was chosen for a file, which is in CRS84.

    Raises:
        InvalidInput: another one was.
    """
    if crs is not Crs.CRS84:
        raise InvalidInput("crs is supported for f=json; files are in CRS84 (longitude, latitude in degrees)")


def check_names(types: PropertyTypes, collections: Sequence[str], filter: TileFilter, sortby: tuple[SortKey, ...] = ()) -> None:
    """Check that the properties in `filter` and `sortby` exist.

    Raises:
        InvalidInput: no item of the collections has such a property. NotFound: a collection.
    """
    if filter.expression is not None:
        types.check(collections, filter.expression.names, "filter")
    if sortby:
        types.check(collections, [key.name for key in sortby], "sortby")
