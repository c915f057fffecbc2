"""Search by examples: an uploaded image, positive and negative tiles. docs/search.md explains the strategy."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from app.domain.collections import Collection
from app.domain.indexes import Live
from app.domain.queries.search import Bookmark, SceneExample, SearchQuery, SearchResult, Shortlist, TileFilter
from app.errors import InvalidInput, NotFound, UnreadableImage
from app.ports import Blobs, VectorStore
from app.services.catalogue.collections import CollectionService
from app.services.catalogue.models import ModelService
from app.services.search.examples import MAX_EXAMINED, ExampleReader, Examples, Uploads
from app.services.search.explain import NOT_RERANKED, Explained, cannot_explain, explain
from app.services.search.places import PlaceExamples, PlaceReader, Resolve
from app.services.search.ranking import Asked, Page, Pages
from app.services.search.recent_queries import RecentQueries, RecentQuery
from app.services.search.rerank import Judgement, Plan, Reranker, judge
from app.services.search.timer import Timer
from models.bundle.neighbourhood import neighbour_overlap

log = logging.getLogger(__name__)

Windows = Callable[[Collection, Live, tuple[SceneExample, ...]], list[bytes]]
"""Cuts windows of scenes out, as GeoTIFFs."""


class SearchService:
    """Searches an index of a collection."""

    def __init__(
        self,
        *,
        collections: CollectionService,
        models: ModelService,
        vectors: VectorStore,
        blobs: Blobs,
        recent: RecentQueries,
        resolve: Resolve,
        windows: Windows,
        max_pixels: int,
    ) -> None:
        self._collections = collections
        self._recent = recent
        self._vectors = vectors
        self._examples = ExampleReader(models, vectors, blobs, max_pixels)
        self._places = PlaceReader(models, vectors, resolve, max_pixels)
        self._windows = windows
        self._reranker = Reranker(models)
        self._pages = Pages(vectors)

    def search(self, collection_id: str, query: SearchQuery, image: Path | bytes | None = None) -> SearchResult:
        """The tiles most similar to the examples of the query and the uploaded image (a file or its content).

        Raises:
            NotFound: the collection, the version of its index, or an example. InvalidInput: no example, examples that cancel
                each other out, or `min_probability` without probabilities. UnreadableImage, TooLarge, Busy: the image.
        """
        timer = Timer()
        collection = self._collections.get(collection_id)
        live = self._collections.live(collection_id, _version(query))
        with timer.stage("decode"):
            at_places = self._places.read(collection, live, query) if query.places or query.not_places else PlaceExamples()
            of_scenes = self._windows(collection, live, query.scenes)
            not_of_scenes = self._windows(collection, live, query.not_scenes)
        query = at_places.added_to(query)
        images = [*([] if image is None else [image]), *at_places.images, *of_scenes]
        plan = self._reranker.plan(collection, live.model, query, _count_examined(query, len(images)))
        if query.vector is not None and plan is not None and plan.has_matcher:
            if plan.is_wish or query.min_probability is not None:
                raise InvalidInput("rerank, min_probability: a pairwise model compares images, so leave them out with `vector`")
            plan = None
        is_judging = plan is not None and (query.after is None or query.after.start is None)
        compares = (plan is not None and plan.has_matcher and is_judging) or query.explain
        uploads = Uploads(images, [*at_places.negative_images, *not_of_scenes])
        examples = self._examples.read(collection, live, query, uploads, timer, with_query_features=compares)
        named = tuple(dict.fromkeys((*query.positives, *query.negatives)))
        asked = self._asked(live, query, examples, named)
        if query.after is None:
            self._recent.note(collection_id, RecentQuery(examples.ids, query.negatives, examples.pixels))
        if plan is not None and is_judging:
            asked = self._judged(asked, plan, collection, live, examples, timer)
        begun = query.after or Bookmark(0, live.version, depth=asked.depth)
        page = self._pages.page(asked, query.limit, begun, timer)
        with timer.stage("search"):
            matched = self._matched(live.index, query.filter, named) if page.kept is None else page.kept
        shown = self._explained(plan, collection, live, query, examples, page, timer)
        timer.publish()
        return SearchResult(
            hits=shown.matches,
            matched=matched,
            rank_offset=begun.seen,
            after=page.after,
            model=live.model,
            index_version=live.version,
            timings_ms=timer.totals(),
            reranking=None if plan is None or page.depth == 0 else plan.summary,
            matches_end_at=page.matches_end_at,
            warnings=(*examples.warnings, *shown.warnings),
        )

    def all_pages(self, collection_id: str, query: SearchQuery, image: Path | bytes | None = None) -> Iterator[SearchResult]:
        """The pages of a search, to the last one. Raises as `search`."""
        while True:
            result = self.search(collection_id, query, image)
            yield result
            if result.after is None:
                return
            query = replace(query, after=result.after)

    def _explained(
        self,
        plan: Plan | None,
        collection: Collection,
        live: Live,
        query: SearchQuery,
        examples: Examples,
        page: Page,
        timer: Timer,
    ) -> Explained:
        """The matches of a page, with the places where they match the first example if this was requested."""
        if not query.explain:
            return Explained(page.matches)
        if plan is None or not plan.is_second_stage or plan.model.card.matcher is None:
            model = self._reranker.matching_model(live.model)
            return Explained(page.matches, (cannot_explain(live.model) if model is None else NOT_RERANKED,))
        try:
            features = self._examples.query_features(collection, live, plan.model, examples, timer, most=1)
        except (NotFound, UnreadableImage) as error:
            return Explained(page.matches, (f"explain: the image of the example cannot be read: {error}",))
        with timer.stage("rerank"):
            return explain(plan.model, self._vectors, live.index, features[0], page.matches)

    def _asked(self, live: Live, query: SearchQuery, examples: Examples, named: tuple[str, ...]) -> Asked:
        return Asked(
            index=live.index,
            vector=examples.direction(),
            filter=replace(query.filter, exclude_ids=(*query.filter.exclude_ids, *named)),
            diversify=query.diversify,
            other_dates=query.other_dates,
            min_probability=query.min_probability,
        )

    def _judged(self, asked: Asked, plan: Plan, collection: Collection, live: Live, examples: Examples, timer: Timer) -> Asked:
        """The search with its plan; without it where it is not possible and was not requested."""
        must = plan.is_wish or asked.min_probability is not None
        features = None
        if plan.has_matcher:
            try:
                features = self._examples.query_features(collection, live, plan.model, examples, timer)
            except (NotFound, UnreadableImage) as error:
                if must:
                    raise
                log.warning("not re-ranked: the image of an example cannot be read: %s", error)
                return asked

        def judged(head: Shortlist) -> Judgement | None:
            log_odds = overlaps = None
            if features is not None:
                pairs = head.pairs if len(head) else features[:0].astype(np.uint8)
                if pairs is None:
                    if must:
                        raise InvalidInput(
                            f"rerank: index {live.version!r} of collection {collection.id!r} has tiles without candidate "
                            "features; re-index the collection, or leave out `rerank`"
                        )
                    return None
                log_odds = self._reranker.compare(plan.model, features, pairs)
            if plan.ranking.neighbours and head.embeddings is not None:
                overlaps = neighbour_overlap(asked.vector, head.embeddings)
            return judge(plan.ranking, examples.cosines(head), examples.are_same(head), log_odds, overlaps)

        needs_embeddings = plan.ranking.neighbours > 0 or len(examples.negatives) > 0
        return replace(asked, depth=plan.depth, judge=judged, pairs=features is not None, embeddings=needs_embeddings)

    def _matched(self, index: str, filter: TileFilter, named: tuple[str, ...]) -> int:
        """How many tiles qualify without the examples, which exist. Excluded ids are counted separately, so that the store can
        reuse the count of the filter.
        """
        base = replace(filter, exclude_ids=())
        if base.is_empty and not filter.exclude_ids:
            return self._vectors.stats(index).size - len(named)
        total = self._vectors.stats(index).size if base.is_empty else self._vectors.count(index, base)
        excluded = tuple(item for item in {*filter.exclude_ids, *named} if base.ids is None or item in base.ids)
        return total - self._vectors.count(index, replace(base, ids=excluded)) if excluded else total


def _version(query: SearchQuery) -> str | None:
    """The index version to search: the requested one, or that of the previous page."""
    if query.after is None:
        return query.index_version
    if query.index_version not in (None, query.after.version):
        raise InvalidInput(
            f"token: it belongs to index version {query.after.version!r}, but `index_version` is {query.index_version!r}; "
            "leave out `index_version`"
        )
    return query.after.version


def _count_examined(query: SearchQuery, images: int) -> int:
    return min(len(set(query.positives)) + images, MAX_EXAMINED)
