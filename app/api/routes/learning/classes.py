"""Few-shot classes of a tile, and tiles to label next."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request, Response

from app.api.access import requires
from app.api.deps import CollectionId, ContainerDep, ItemId
from app.api.documents.base import GEOJSON, GeoJSONResponse, link, page_links
from app.api.documents.catalogue.items import FeatureCollectionPublic
from app.api.documents.learning.classes import TileClassesPublic, classes_document, suggestions_document
from app.api.links import place_of
from app.api.routing import checked_router
from app.domain.keys import Role
from app.domain.naming.ids import check_item_id
from app.errors import InvalidInput, NotFound
from app.services.classes.suggestions import MAX_SUGGESTIONS

CONFORMANCE: tuple[str, ...] = ()

router = checked_router(prefix="/collections/{collection_id}", tags=["labels"])


@router.get("/items/{item_id}/classes", summary="Class probabilities of a tile")
@requires(Role.READ)
def classes(collection_id: CollectionId, item_id: ItemId, container: ContainerDep) -> TileClassesPublic:
    """Which of the collection's labels a tile is likely to have, and the probability that it has none of these. Learned from
    the labelled tiles at once, without a training. The labels of the tile itself are not used.
    """
    try:
        known = check_item_id(item_id)
    except InvalidInput as error:
        raise NotFound(str(error)) from None
    return classes_document(known, container.classes.classify(collection_id, known))


@router.get(
    "/suggestions",
    response_class=GeoJSONResponse,
    responses={200: {"model": FeatureCollectionPublic}},
    summary="Tiles to label next",
)
@requires(Role.READ)
def suggestions(
    collection_id: CollectionId,
    request: Request,
    container: ContainerDep,
    limit: Annotated[int, Query(ge=1, description=f"Number of tiles; values above {MAX_SUGGESTIONS} mean it")] = 10,
) -> Response:
    """Unlabelled tiles whose labels would teach most: of uncertain class, typical, and unlike the labelled tiles and each
    other. Chosen among a sample of at most 4 000 unlabelled tiles; `number_matched` is its size.
    """
    here = place_of(request, collection_id)
    links = [*page_links(request, GEOJSON), link(here.url, "collection")]
    return GeoJSONResponse(suggestions_document(container.suggestions.suggest(collection_id, limit), here, links))
