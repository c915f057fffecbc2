"""When ticks submit, by an explicit clock over real stores; nothing sleeps and nothing runs unless a test says so."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.container import Container
from app.domain.jobs import Job, JobStatus
from app.errors import Conflict, NotFound
from app.services.schedules.schedules import ScheduleInfo, ScheduleService
from app.settings import load_settings
from tests.support import images

NAME = "tiles"
DAY = timedelta(days=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


START = at("2030-06-01T12:00")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The state folder; beside it lies `root`, which the service may read, with one picture."""
    (tmp_path / "root").mkdir()
    images.saved(tmp_path / "root" / "a.png")
    return tmp_path / "home"


def opened(home: Path) -> Container:
    return Container(load_settings({}, home=home, read_roots=(str(home.parent / "root"),)))


@pytest.fixture
def container(home: Path) -> Iterator[Container]:
    """Opened, with one empty collection; its queue is not started, so jobs stay as they are submitted."""
    made = opened(home)
    made.collections.create(NAME, model="hog")
    yield made
    made.close()


@pytest.fixture
def schedules(container: Container) -> ScheduleService:
    return container.schedules


def put(schedules: ScheduleService, home: Path, cron: str = "0 3 * * *", now: datetime = START, **more: str) -> ScheduleInfo:
    return schedules.put(NAME, cron=cron, sources=[str(home.parent / "root")], now=now, **more)  # type: ignore[arg-type]


def end(container: Container, job: Job) -> None:
    container.job_store.update(job.id, status=JobStatus.SUCCESSFUL)


def submitted(container: Container) -> int:
    return len(container.job_store.list(collection=NAME))


def test_nothing_is_due_before_its_time(container: Container, schedules: ScheduleService, home: Path) -> None:
    put(schedules, home)
    assert schedules.tick(START) == []
    assert schedules.tick(at("2030-06-02T02:59:59")) == []
    (job,) = schedules.tick(at("2030-06-02T03:00"))
    assert (job.kind, job.collection, job.status) == ("sync", NAME, JobStatus.ACCEPTED)
    assert container.job_store.get(job.id).inputs == {"sources": [str(home.parent / "root")]}
    assert schedules.tick(at("2030-06-02T03:00:05")) == []
    info = schedules.get(NAME)
    assert (info.state.last_job, info.state.last_run) == (job.id, at("2030-06-02T03:00"))


def test_every_due_time_is_run(container: Container, schedules: ScheduleService, home: Path) -> None:
    put(schedules, home)
    for day in range(1, 6):
        (job,) = schedules.tick(at(f"2030-06-0{day + 1}T03:00:02"))
        end(container, job)
    assert submitted(container) == 5


def test_missed_times_are_caught_up_once_after_a_restart(container: Container, schedules: ScheduleService, home: Path) -> None:
    put(schedules, home)
    container.close()
    again = opened(home)
    try:
        late = START + 10 * DAY
        (job,) = again.schedules.tick(late)
        end(again, job)
        assert again.schedules.tick(late + timedelta(seconds=5)) == []
        (following,) = again.schedules.tick(at("2030-06-12T03:00"))
        assert following.id != job.id
    finally:
        again.close()


def test_a_due_run_is_skipped_and_noted_while_one_is_active(
    container: Container, schedules: ScheduleService, home: Path
) -> None:
    put(schedules, home)
    (job,) = schedules.tick(at("2030-06-02T03:00"))
    assert schedules.tick(at("2030-06-03T03:00")) == []
    skipped = schedules.get(NAME).state.skipped
    assert skipped is not None
    assert (skipped.due, skipped.job) == (at("2030-06-03T03:00"), job.id)
    end(container, job)
    assert schedules.tick(at("2030-06-03T03:10")) == []
    assert len(schedules.tick(at("2030-06-04T03:00"))) == 1
    assert submitted(container) == 2


def test_two_tickers_make_one_run(container: Container, schedules: ScheduleService, home: Path) -> None:
    other = ScheduleService(
        collections=container.collections,
        jobs=container.job_store,
        queue=container.queue,
        blobs=container.blobs,
        read_policy=schedules._read_policy,
        locks=container.locks,
    )
    put(schedules, home)
    due = at("2030-06-02T03:00")
    jobs = [*schedules.tick(due), *other.tick(due), *schedules.tick(due), *other.tick(due + timedelta(seconds=1))]
    assert len(jobs) == submitted(container) == 1


def test_a_tick_that_died_before_it_noted_its_job_is_made_good(
    container: Container, schedules: ScheduleService, home: Path
) -> None:
    put(schedules, home)
    before = list(container.blobs.keys("schedule-states/"))
    (job,) = schedules.tick(at("2030-06-02T03:00"))
    container.blobs.delete(set(container.blobs.keys("schedule-states/")) - set(before))
    end(container, job)
    assert schedules.tick(at("2030-06-02T03:00:30")) == []
    assert schedules.get(NAME).state.last_job == job.id
    assert len(schedules.tick(at("2030-06-03T03:00"))) == 1


def test_a_clock_that_leaps_forward_runs_once(container: Container, schedules: ScheduleService, home: Path) -> None:
    put(schedules, home, "* * * * *")
    assert len(schedules.tick(START + 400 * DAY)) == 1
    assert submitted(container) == 1


def test_a_clock_that_is_put_back_neither_waits_nor_repeats(
    container: Container, schedules: ScheduleService, home: Path
) -> None:
    put(schedules, home)
    (job,) = schedules.tick(at("2030-06-02T03:00:10"))
    end(container, job)
    assert schedules.tick(at("2030-06-02T02:30")) == []
    assert schedules.tick(at("2030-06-02T03:00")) == [], "the same due time again"
    (wrong,) = schedules.tick(START + 4000 * DAY)
    end(container, wrong)
    assert schedules.tick(at("2030-06-02T12:00")) == []
    assert schedules.tick(at("2030-06-03T03:00")) == [], "the run under the wrong clock stood for this time"
    assert len(schedules.tick(at("2030-06-04T03:00"))) == 1


def test_due_times_follow_the_clock_of_the_zone(container: Container, schedules: ScheduleService, home: Path) -> None:
    put(schedules, home, "30 2 * * *", at("2030-03-30T12:00"), timezone="Europe/Berlin")
    assert schedules.tick(at("2030-03-31T00:59:59")) == []
    (job,) = schedules.tick(at("2030-03-31T01:00"))
    end(container, job)
    put(schedules, home, "30 2 * * *", at("2030-10-26T12:00"), timezone="Europe/Berlin")
    (job,) = schedules.tick(at("2030-10-27T00:30"))
    end(container, job)
    assert schedules.tick(at("2030-10-27T01:30")) == [], "half past two comes twice that night"


def test_a_changed_schedule_counts_from_its_change(container: Container, schedules: ScheduleService, home: Path) -> None:
    first = put(schedules, home)
    (job,) = schedules.tick(at("2030-06-02T03:00"))
    end(container, job)
    changed = put(schedules, home, "0 * * * *", at("2030-06-05T10:30"))
    assert (changed.schedule.created, changed.state.last_job) == (first.schedule.created, job.id)
    assert schedules.tick(at("2030-06-05T10:59")) == []
    assert len(schedules.tick(at("2030-06-05T11:00"))) == 1


def test_a_paused_schedule_runs_only_by_hand(container: Container, schedules: ScheduleService, home: Path) -> None:
    root = [str(home.parent / "root")]
    info = schedules.put(NAME, cron="0 3 * * *", sources=root, paused=True, now=START)
    assert info.next_run is None
    assert schedules.tick(START + 3 * DAY) == []
    job = schedules.submit(NAME)
    assert schedules.get(NAME).last_job == job
    end(container, job)
    put(schedules, home, now=START + 5 * DAY)
    assert schedules.tick(START + 5 * DAY) == [], "what was missed while it was paused stays missed"


def test_a_run_by_hand_counts_as_a_run(container: Container, schedules: ScheduleService, home: Path) -> None:
    put(schedules, home)
    job = schedules.submit(NAME, accept_vanished=True)
    assert container.job_store.get(job.id).inputs["accept_vanished"] is True
    with pytest.raises(Conflict, match=job.id):
        schedules.submit(NAME)
    assert schedules.tick(at("2030-06-02T03:00")) == []
    skipped = schedules.get(NAME).state.skipped
    assert skipped is not None
    assert skipped.job == job.id


def test_what_cannot_be_ticked_keeps_no_other_from_its_turn(
    container: Container, schedules: ScheduleService, home: Path
) -> None:
    put(schedules, home)
    container.blobs.put("schedules/a-broken-one.json", b'{"cron": 5}')
    container.blobs.put("schedules/zero.json", b"")
    assert len(schedules.tick(at("2030-06-02T03:00"))) == 1


def test_schedules_without_a_collection_are_put_into_quarantine(
    container: Container, schedules: ScheduleService, home: Path
) -> None:
    put(schedules, home)
    document = container.blobs.get(f"schedules/{NAME}.json")
    container.collections.delete(NAME)
    container.blobs.put(f"schedules/{NAME}.json", document)
    assert schedules.tick(START + DAY) == []
    container.garbage.collect_at_start()
    assert [entry.id for entry in container.garbage.quarantine.entries()] == [f"collection/{NAME}"]
    container.garbage.delete_quarantined()
    assert list(container.blobs.keys("schedules/")) == []
    with pytest.raises(NotFound):
        schedules.get(NAME)
