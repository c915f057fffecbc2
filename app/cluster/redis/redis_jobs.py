"""The job store of a cluster: jobs in Redis.

::

    dyad:job:{id}                       hash: document (JSON), seq, call (id of the call that created it)
    dyad:job:{id}:items                 sorted set: tile ids in order of arrival
    dyad:jobs:{collection}:{status}     sorted set: job ids by seq; with an empty collection, for all jobs
    dyad:seq                            the last seq

An update reads the document, computes the new one, and a script replaces it if it is unchanged; otherwise the update is
repeated.
"""

from __future__ import annotations

import heapq
import uuid
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from redis import Redis
from typing_extensions import override

from app.cluster.redis.client import KEYS, translated
from app.domain.jobs import Job, JobStatus, next_in_turn
from app.errors import Conflict, NoSuchJob, NotFound
from app.ports import JobStore

_PAGE = 1000
_NAME = "jobs"

# The client repeats a call without an answer; the repeated call finds the job that it created itself, by its call id.
_CREATE = """
if redis.call('EXISTS', KEYS[1]) == 1 then
    if redis.call('HGET', KEYS[1], 'call') == ARGV[3] then return 1 else return 0 end
end
local seq = redis.call('INCR', KEYS[2])
redis.call('HSET', KEYS[1], 'document', ARGV[2], 'seq', seq, 'call', ARGV[3])
for i = 3, #KEYS do redis.call('ZADD', KEYS[i], seq, ARGV[1]) end
return 1
"""
# ARGV: id, the document that was read, the new one, how many of KEYS[2..] to remove the id from; it is added to the rest
_REPLACE = """
if redis.call('HGET', KEYS[1], 'document') ~= ARGV[2] then return 0 end
local seq = redis.call('HGET', KEYS[1], 'seq')
redis.call('HSET', KEYS[1], 'document', ARGV[3])
local left = tonumber(ARGV[4])
for i = 2, 1 + left do redis.call('ZREM', KEYS[i], ARGV[1]) end
for i = 2 + left, #KEYS do redis.call('ZADD', KEYS[i], seq, ARGV[1]) end
return 1
"""
_DELETE = """
if redis.call('HGET', KEYS[1], 'document') ~= ARGV[2] then return 0 end
redis.call('DEL', KEYS[1], KEYS[2])
for i = 3, #KEYS do redis.call('ZREM', KEYS[i], ARGV[1]) end
return 1
"""
_ADD_ITEMS = """
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local place = redis.call('ZCARD', KEYS[2])
for i = 1, #ARGV do place = place + redis.call('ZADD', KEYS[2], 'NX', place, ARGV[i]) end
return 1
"""


class RedisJobStore(JobStore):
    """`JobStore` over a client of `app.cluster.redis.client`; closes it."""

    def __init__(self, client: Redis) -> None:
        self._client: Any = client  # its types allow text and bytes
        self._create = client.register_script(_CREATE)
        self._replace = client.register_script(_REPLACE)
        self._delete = client.register_script(_DELETE)
        self._add_items = client.register_script(_ADD_ITEMS)

    @override
    def create(self, job: Job) -> None:
        with translated(_NAME):
            keys = [_key(job.id), f"{KEYS}seq", *_lists(job)]
            if not self._create(keys=keys, args=[job.id, job.model_dump_json(), uuid.uuid4().hex]):
                raise Conflict(f"job {job.id} already exists")

    @override
    def get(self, job_id: str) -> Job:
        return Job.model_validate_json(self._document(job_id))

    @override
    def list(
        self, *, collection: str | None = None, status: Sequence[JobStatus] = (), limit: int = 100, after: str | None = None
    ) -> Sequence[Job]:
        with translated(_NAME):
            below = "+inf"
            if after is not None:
                seq = self._client.hget(_key(after), "seq")
                if seq is None:
                    raise NoSuchJob(f"no job {after}")
                below = f"({seq}"
            pages = [
                self._client.zrevrangebyscore(
                    _list(collection, each), below, "-inf", start=0, num=limit, withscores=True, score_cast_func=float
                )
                for each in (status or JobStatus)
            ]
            newest = heapq.nlargest(limit, ((seq, job_id) for page in pages for job_id, seq in page))
            documents = self._documents([job_id for _, job_id in newest])
        jobs = [Job.model_validate_json(document) for document in documents if document is not None]
        return [job for job in jobs if not status or job.status in status]  # a job may change between the two calls

    @override
    def update(self, job_id: str, *, only_if: Sequence[JobStatus] = (), **changes: Any) -> Job | None:
        unknown = changes.keys() - Job.model_fields.keys()
        if unknown:
            raise TypeError(f"a job has no field {', '.join(sorted(unknown))}")
        while True:
            document = self._document(job_id)
            job = Job.model_validate_json(document)
            if only_if and job.status not in only_if:
                return None
            changed = Job.model_validate({**job.model_dump(), **changes, "updated": datetime.now(UTC)})
            if self._replace_if_unchanged(job, document, changed):
                return changed

    @override
    def claim(
        self, kinds: Sequence[str] = (), *, skip: Collection[str | None] = (), served: Sequence[str | None] = ()
    ) -> Job | None:
        while True:
            oldest = self._oldest_accepted(kinds)
            collections = list(oldest)
            chosen = next_in_turn(((collection, number) for number, collection in enumerate(collections)), skip, served)
            if chosen is None:
                return None
            job, document = oldest[collections[chosen]]
            now = datetime.now(UTC)
            begun = {"status": JobStatus.RUNNING, "attempts": job.attempts + 1, "started": job.started or now, "updated": now}
            changed = job.model_copy(update=begun)
            if self._replace_if_unchanged(job, document, changed):  # else another process claimed it: search again
                return changed

    def _oldest_accepted(self, kinds: Sequence[str]) -> dict[str | None, tuple[Job, str]]:
        """The oldest accepted job of each collection, with its document; the oldest of them first."""
        found: dict[str | None, tuple[Job, str]] = {}
        start = 0
        while True:
            with translated(_NAME):
                ids = self._client.zrange(_list(None, JobStatus.ACCEPTED), start, start + _PAGE - 1)
                documents = self._documents(ids)
            for document in filter(None, documents):
                job = Job.model_validate_json(document)
                if job.status is JobStatus.ACCEPTED and (not kinds or job.kind in kinds):
                    found.setdefault(job.collection, (job, document))
            if len(ids) < _PAGE:
                return found
            start += _PAGE

    @override
    def add_items(self, job_id: str, item_ids: Sequence[str]) -> None:
        with translated(_NAME):
            for first in range(0, max(1, len(item_ids)), _PAGE):
                ids = list(item_ids[first : first + _PAGE])
                if not self._add_items(keys=[_key(job_id), _items(job_id)], args=ids):
                    raise NoSuchJob(f"no job {job_id}")

    @override
    def items(self, job_id: str) -> Iterator[str]:
        place = 0
        while True:
            with translated(_NAME):
                page = self._client.zrange(_items(job_id), place, place + _PAGE - 1)
            if not page:
                return
            yield from page
            place += len(page)

    @override
    def delete(self, job_id: str) -> None:
        while True:
            try:
                document = self._document(job_id)
            except NotFound:
                return
            keys = [_key(job_id), _items(job_id), *_lists(Job.model_validate_json(document))]
            with translated(_NAME):
                if self._delete(keys=keys, args=[job_id, document]):
                    return

    @override
    def ping(self) -> None:
        with translated(_NAME):
            self._client.ping()

    @override
    def close(self) -> None:
        self._client.close()

    def _document(self, job_id: str) -> str:
        with translated(_NAME):
            document: str | None = self._client.hget(_key(job_id), "document")
        if document is None:
            raise NoSuchJob(f"no job {job_id}")
        return document

    def _documents(self, job_ids: Sequence[str]) -> Sequence[str | None]:
        """Documents in one round trip; None for deleted jobs."""
        with self._client.pipeline(transaction=False) as pipeline:
            for job_id in job_ids:
                pipeline.hget(_key(job_id), "document")
            return list(pipeline.execute())

    def _replace_if_unchanged(self, before: Job, document: str, after: Job) -> bool:
        """Replace the job that was read as `document`; False if it has changed since."""
        left = [key for key in _lists(before) if key not in _lists(after)]
        entered = [key for key in _lists(after) if key not in _lists(before)]
        with translated(_NAME):
            keys = [_key(before.id), *left, *entered]
            return bool(self._replace(keys=keys, args=[before.id, document, after.model_dump_json(), len(left)]))


def _key(job_id: str) -> str:
    return f"{KEYS}job:{job_id}"


def _items(job_id: str) -> str:
    return f"{_key(job_id)}:items"


def _list(collection: str | None, status: JobStatus) -> str:
    return f"{KEYS}jobs:{collection or ''}:{status}"


def _lists(job: Job) -> list[str]:
    """Keys of the sorted sets that contain a job."""
    everywhere = _list(None, job.status)
    return [everywhere] if job.collection is None else [everywhere, _list(job.collection, job.status)]
