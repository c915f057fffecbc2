"""The items of a saved search: its results in pages, or as a file."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fastapi import Request, Response

from app.api.answers.exports import export_response
from app.api.answers.layers import combined, saved_query
from app.api.documents.base import GEOJSON, GeoJSONResponse, base_url, in_system, link, next_link, page_links
from app.api.documents.catalogue.items import in_crs
from app.api.documents.gis.fields import Fields
from app.api.documents.search import search_document
from app.api.links import place_of
from app.api.page_tokens import decode_bookmark, encode_bookmark
from app.api.paging import check_names, refuse_crs
from app.container import Container
from app.domain.places.crs import Crs
from app.domain.queries.saved_searches import SavedSearch
from app.domain.queries.search import TileFilter
from app.errors import InvalidInput
from app.services.export.columns import columns_of
from app.services.export.formats import Format

EXPORT_PAGE = 10_000


@dataclass(frozen=True, slots=True)
class LayerRequest:
    """What a client asks of a layer. has_other_order: it asks for another order or for embeddings, which are not supported."""

    filter: TileFilter
    fields: Fields
    crs: Crs
    format: Format | None
    limit: int
    token: str | None
    has_other_order: bool


def search_items(request: Request, container: Container, search: SavedSearch, wish: LayerRequest) -> Response:
    """The results of a saved search that the filters of the request accept, in rank order.

    Raises:
        InvalidInput: another order is asked for, or the token is not valid.
    """
    if wish.has_other_order:
        raise InvalidInput("the items of a saved search are in the order of their rank, without sortby and embeddings")
    check_names(container.property_types, [search.collection], wish.filter)
    query = saved_query(container, search)
    query = replace(query, filter=combined(query.filter, wish.filter), limit=wish.limit)
    here, image = place_of(request, search.collection), container.saved_searches.image(search)
    if wish.format is not None:
        refuse_crs(wish.crs)
        pages = container.search.all_pages(search.collection, replace(query, limit=EXPORT_PAGE), image)
        found = (each for page in pages for each in search_document(page, here, [])["features"])
        columns = columns_of(container.property_types.types(search.collection), is_search=True)
        return export_response(request, container, wish.format, found, columns, name=search.id)
    result = container.search.search(search.collection, replace(query, after=decode_bookmark(wish.token)), image)
    links = [*page_links(request, GEOJSON), link(f"{base_url(request)}/collections/{search.id}", "collection")]
    if result.after is not None:
        links.append(next_link(request, encode_bookmark(result.after)))
    document = search_document(result, here, links)
    document["features"] = [wish.fields.apply(each) for each in document["features"]]
    return in_system(GeoJSONResponse(in_crs(document, wish.crs)), wish.crs)
