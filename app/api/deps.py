"""What routes ask for, as named types, so that they read like sentences.

All are coroutines: FastAPI sends plain functions to a thread, each a trip of a tenth of a millisecond or more.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path, Query, Request

from app.api.params import parse_filter
from app.container import Container
from app.domain.search import TileFilter
from app.services.catalogue.collections import CollectionService
from app.services.catalogue.items import ItemService
from app.services.catalogue.models import ModelService
from app.services.ingest.ingest import IngestService
from app.services.jobs.jobs import JobService
from app.services.jobs.processes import ProcessService
from app.services.labels.labels import LabelService
from app.services.reindex.rollback import RollbackService
from app.services.schedules.schedules import ScheduleService
from app.services.search.search import SearchService
from app.services.training.evaluation import EvaluationService


async def _container(request: Request) -> Container:
    container: Container = request.app.state.container
    return container


ContainerDep = Annotated[Container, Depends(_container)]


async def _collections(container: ContainerDep) -> CollectionService:
    return container.collections


async def _ingest(container: ContainerDep) -> IngestService:
    return container.ingest


async def _items(container: ContainerDep) -> ItemService:
    return container.items


async def _search(container: ContainerDep) -> SearchService:
    return container.search


async def _jobs(container: ContainerDep) -> JobService:
    return container.jobs


async def _evaluation(container: ContainerDep) -> EvaluationService:
    return container.evaluation


async def _processes(container: ContainerDep) -> ProcessService:
    return container.processes


async def _labels(container: ContainerDep) -> LabelService:
    return container.labels


async def _rollback(container: ContainerDep) -> RollbackService:
    return container.rollback


async def _models(container: ContainerDep) -> ModelService:
    return container.models


async def _schedules(container: ContainerDep) -> ScheduleService:
    return container.schedules


CollectionsDep = Annotated[CollectionService, Depends(_collections)]
IngestDep = Annotated[IngestService, Depends(_ingest)]
ItemsDep = Annotated[ItemService, Depends(_items)]
SchedulesDep = Annotated[ScheduleService, Depends(_schedules)]
RollbackDep = Annotated[RollbackService, Depends(_rollback)]
SearchDep = Annotated[SearchService, Depends(_search)]
JobsDep = Annotated[JobService, Depends(_jobs)]
ProcessesDep = Annotated[ProcessService, Depends(_processes)]
LabelsDep = Annotated[LabelService, Depends(_labels)]
EvaluationDep = Annotated[EvaluationService, Depends(_evaluation)]
ModelsDep = Annotated[ModelService, Depends(_models)]

CollectionId = Annotated[str, Path(description="1 to 64 of A-Z a-z 0-9 _ -")]
ItemId = Annotated[str, Path(description="UUID")]
JobId = Annotated[str, Path(description="UUID")]
ProcessId = Annotated[str, Path(description="from /processes")]

BboxQuery = Annotated[str | None, Query(description="west,south,east,north in degrees; west > east crosses the antimeridian")]
DatetimeQuery = Annotated[str | None, Query(description="RFC 3339 instant or interval, `..` for an open end")]
LabelsQuery = Annotated[str | None, Query(description="comma-separated, any of them")]
IdsQuery = Annotated[str | None, Query(description="comma-separated item ids")]
IntersectsQuery = Annotated[str | None, Query(description="a GeoJSON geometry, as JSON; instead of bbox")]
LimitQuery = Annotated[int, Query(ge=1, description="clamped to 1000")]
TokenQuery = Annotated[str | None, Query(description="from the `next` link of the page before")]


async def _filter(
    bbox: BboxQuery = None,
    intersects: IntersectsQuery = None,
    datetime: DatetimeQuery = None,
    labels: LabelsQuery = None,
    ids: IdsQuery = None,
) -> TileFilter:
    return parse_filter(bbox=bbox, intersects=intersects, datetime=datetime, labels=labels, ids=ids)


FilterDep = Annotated[TileFilter, Depends(_filter)]
