from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydantic import Field

from app.domain.jobs import Job
from app.errors import NotFound, Unprocessable
from app.services.jobs.processes import Inputs, Process, ProcessService


class DanceInputs(Inputs):
    collection: str = Field(description="Who dances.")
    steps: int = Field(default=3, ge=1)


def dance(inputs: DanceInputs) -> Job:
    now = datetime.now(UTC)
    return Job(id="1", kind="dance", collection=inputs.collection, inputs=inputs.model_dump(), created=now, updated=now)


PROCESSES = ProcessService([Process("dance", "Dance", "One step after another", DanceInputs, dance)])


def test_inputs_are_checked_and_completed() -> None:
    assert [process.id for process in PROCESSES.list()] == ["dance"]
    assert PROCESSES.execute("dance", {"collection": "naip"}).inputs == {"collection": "naip", "steps": 3}


def test_wrong_inputs_are_refused_field_by_field() -> None:
    with pytest.raises(Unprocessable) as caught:
        PROCESSES.execute("dance", {"steps": 0, "tempo": "presto"})
    assert {error.loc for error in caught.value.errors} == {"inputs.collection", "inputs.steps", "inputs.tempo"}


def test_an_unknown_process_is_told_with_those_that_there_are() -> None:
    with pytest.raises(NotFound, match=r"'sing'; available: dance"):
        PROCESSES.execute("sing", {})
