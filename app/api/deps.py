"""Dependencies of routes, as named types.

The dependency functions are coroutines: FastAPI runs plain functions in a thread, which costs 0.1 ms or more each.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Annotated, Any, Literal, TypeVar

from fastapi import Depends, Path, Query, Request

from app.api.documents.gis.fields import Fields, parse_fields
from app.api.documents.search import INTERSECTS, MAX_IDS, MAX_LISTED
from app.api.params import parse_filter
from app.container import Container
from app.domain.places.crs import Crs, parse_crs
from app.domain.queries.search import MAX_LIMIT, TileFilter
from app.domain.queries.sorting import SortKey, parse_sorting
from app.errors import InvalidInput
from app.services.catalogue.collections import CollectionService
from app.services.catalogue.item_search import ItemSearch
from app.services.catalogue.items import ItemService
from app.services.catalogue.models import ModelService
from app.services.catalogue.property_types import PropertyTypes
from app.services.export.formats import DOCUMENTS, NAMES, Format, chosen_format
from app.services.ingest.ingest import IngestService
from app.services.jobs.jobs import JobService
from app.services.jobs.processes import ProcessService
from app.services.labels.labels import LabelService
from app.services.reindex.rollback import RollbackService
from app.services.schedules.schedules import ScheduleService
from app.services.search.search import SearchService
from app.services.training.evaluation import EvaluationService

Part = TypeVar("Part")


async def _container(request: Request) -> Container:
    container: Container = request.app.state.container
    return container


ContainerDep = Annotated[Container, Depends(_container)]


def of_container(select: Callable[[Container], Part]) -> Callable[[Container], Coroutine[Any, Any, Part]]:
    """A dependency that returns a service of the container."""

    async def dependency(container: ContainerDep) -> Part:
        return select(container)

    return dependency


CollectionsDep = Annotated[CollectionService, Depends(of_container(lambda container: container.collections))]
IngestDep = Annotated[IngestService, Depends(of_container(lambda container: container.ingest))]
ItemsDep = Annotated[ItemService, Depends(of_container(lambda container: container.items))]
PropertyTypesDep = Annotated[PropertyTypes, Depends(of_container(lambda container: container.property_types))]
ItemSearchDep = Annotated[ItemSearch, Depends(of_container(lambda container: container.item_search))]
SchedulesDep = Annotated[ScheduleService, Depends(of_container(lambda container: container.schedules))]
RollbackDep = Annotated[RollbackService, Depends(of_container(lambda container: container.rollback))]
SearchDep = Annotated[SearchService, Depends(of_container(lambda container: container.search))]
JobsDep = Annotated[JobService, Depends(of_container(lambda container: container.jobs))]
ProcessesDep = Annotated[ProcessService, Depends(of_container(lambda container: container.processes))]
LabelsDep = Annotated[LabelService, Depends(of_container(lambda container: container.labels))]
EvaluationDep = Annotated[EvaluationService, Depends(of_container(lambda container: container.evaluation))]
ModelsDep = Annotated[ModelService, Depends(of_container(lambda container: container.models))]

CollectionId = Annotated[str, Path(description="Collection identifier: 1 to 64 of A-Z a-z 0-9 _ -")]
ItemId = Annotated[str, Path(description="Item identifier (UUID)")]
JobId = Annotated[str, Path(description="Job identifier (UUID)")]
ModelId = Annotated[str, Path(description="Model identifier, from /models")]
ProcessId = Annotated[str, Path(description="Process identifier, from /processes")]

BboxQuery = Annotated[
    str | None,
    Query(
        description="Bounding box west,south,east,north in degrees (WGS 84), or in the system and order of `bbox-crs`; "
        "west > east crosses the antimeridian"
    ),
]
BboxCrsQuery = Annotated[str | None, Query(alias="bbox-crs", description=f"System of bbox: {', '.join(Crs)}")]
CrsQuery = Annotated[str | None, Query(description=f"System of the geometries in the answer: {', '.join(Crs)}")]
DatetimeQuery = Annotated[str | None, Query(description="RFC 3339 instant, or interval `start/end` with `..` for an open end")]
LabelsQuery = Annotated[
    str | None, Query(description=f"Comma-separated labels, at most {MAX_LISTED}; a tile needs one of them")
]
IdsQuery = Annotated[str | None, Query(description=f"Comma-separated item identifiers, at most {MAX_IDS}")]
CqlQuery = Annotated[str | None, Query(alias="filter", description="Filter in CQL2, over the properties in /queryables")]
CqlLanguageQuery = Annotated[
    Literal["cql2-text", "cql2-json"] | None,
    Query(alias="filter-lang", description="Language of `filter`; cql2-text by default"),
]
CqlCrsQuery = Annotated[str | None, Query(alias="filter-crs", description="Only CRS84 is supported")]
SortQuery = Annotated[
    str | None, Query(alias="sortby", description="Comma-separated properties, with `-` before those in descending order")
]
IntersectsQuery = Annotated[str | None, Query(description=f"As JSON text: {INTERSECTS}")]
LimitQuery = Annotated[
    int,
    Query(
        ge=1,
        description=f"Number of results per page; values above {MAX_LIMIT} mean {MAX_LIMIT}",
        json_schema_extra={"maximum": MAX_LIMIT},
    ),
]
TokenQuery = Annotated[str | None, Query(description="Page token, from the `next` link of the previous page")]


def _filter(*, is_stac: bool) -> Callable[..., Awaitable[TileFilter]]:
    """The dependency that reads the filter of a query string."""

    async def read(
        bbox: BboxQuery = None,
        bbox_crs: BboxCrsQuery = None,
        intersects: IntersectsQuery = None,
        datetime: DatetimeQuery = None,
        labels: LabelsQuery = None,
        ids: IdsQuery = None,
        cql: CqlQuery = None,
        language: CqlLanguageQuery = None,
        filter_crs: CqlCrsQuery = None,
    ) -> TileFilter:
        if parse_crs(filter_crs, "filter-crs") is not Crs.CRS84:
            raise InvalidInput(f"filter-crs {filter_crs!r} is not supported; accepted: {Crs.CRS84}")
        return parse_filter(
            bbox=bbox,
            bbox_crs=parse_crs(bbox_crs, "bbox-crs"),
            intersects=intersects,
            datetime=datetime,
            labels=labels,
            ids=ids,
            expression=cql,
            language=language,
            is_stac=is_stac,
        )

    return read


async def _sorting(sortby: SortQuery = None) -> tuple[SortKey, ...]:
    return parse_sorting(sortby)


async def _fields(
    fields: Annotated[
        str | None, Query(description="Comma-separated members and properties to return, `-` before one to leave it out")
    ] = None,
    properties: Annotated[str | None, Query(description="Comma-separated properties to return; all if not given")] = None,
) -> Fields:
    return parse_fields(fields, properties)


FieldsDep = Annotated[Fields, Depends(_fields)]
SortDep = Annotated[tuple[SortKey, ...], Depends(_sorting)]


async def _format(
    request: Request,
    f: Annotated[
        str | None,
        Query(
            description="A page of GeoJSON, a page for people, or a file with all items",
            json_schema_extra={"enum": [*DOCUMENTS, *NAMES]},
        ),
    ] = None,
) -> Format | None:
    return chosen_format(f, request.headers.get("accept", ""))


FormatDep = Annotated[Format | None, Depends(_format)]
"""The format of a file with all items; None for a page of GeoJSON."""
EmbeddingsQuery = Annotated[bool, Query(description="Add the embeddings, in GeoParquet")]


async def _crs(crs: CrsQuery = None) -> Crs:
    return parse_crs(crs, "crs")


CrsDep = Annotated[Crs, Depends(_crs)]
FilterDep = Annotated[TileFilter, Depends(_filter(is_stac=False))]
ItemSearchFilterDep = Annotated[TileFilter, Depends(_filter(is_stac=True))]
"""The filter of a STAC item search: ids of any form, as those of other catalogues."""
