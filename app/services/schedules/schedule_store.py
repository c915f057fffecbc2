"""Schedules in the blob store: one document for the schedule, one for the state of its runs.

Users write the schedule and ticks write the state, so neither can overwrite the other, in any number of processes.
"""

from __future__ import annotations

from pydantic import ValidationError

from app.domain.scheduling.schedules import Schedule, ScheduleState
from app.errors import Damaged, NotFound
from app.ports import Blobs

SCHEDULES = "schedules/"
STATES = "schedule-states/"


class ScheduleStore:
    """Reads, writes and deletes the documents of schedules."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs

    def owners(self) -> list[str]:
        """Ids of the collections that have a schedule, sorted."""
        return sorted(key.removeprefix(SCHEDULES).removesuffix(".json") for key in self._blobs.keys(SCHEDULES))

    def schedule(self, collection_id: str) -> Schedule | None:
        """A collection's schedule, None without one.

        Raises:
            Damaged: the document cannot be read.
        """
        key = _key(SCHEDULES, collection_id)
        try:
            return Schedule.model_validate_json(self._blobs.get(key))
        except NotFound:
            return None
        except ValidationError:
            raise Damaged(
                f"schedule of {collection_id!r}: {key} in the blob store is damaged; set the schedule again"
            ) from None

    def put_schedule(self, schedule: Schedule) -> None:
        """Write a schedule, atomically."""
        self._blobs.put(_key(SCHEDULES, schedule.collection), schedule.model_dump_json(exclude_none=True).encode())

    def state(self, schedule: Schedule) -> ScheduleState:
        """The state of a schedule's runs. After a change of the schedule, due times count from the change."""
        try:
            state = ScheduleState.model_validate_json(self._blobs.get(_key(STATES, schedule.collection)))
        except (NotFound, ValidationError):
            return ScheduleState(revision=schedule.updated, since=schedule.updated)
        if state.revision == schedule.updated:
            return state
        return state.model_copy(update={"revision": schedule.updated, "since": schedule.updated, "skipped": None})

    def put_state(self, collection_id: str, state: ScheduleState) -> None:
        """Write the state of a schedule's runs, atomically."""
        self._blobs.put(_key(STATES, collection_id), state.model_dump_json().encode())

    def delete(self, collection_id: str) -> None:
        """Delete both documents; nothing happens if there are none."""
        self._blobs.delete([_key(SCHEDULES, collection_id), _key(STATES, collection_id)])


def _key(folder: str, collection_id: str) -> str:
    return f"{folder}{collection_id}.json"
